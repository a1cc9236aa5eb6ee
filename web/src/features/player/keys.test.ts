import { describe, expect, it } from "vitest";
import { commandOf, type Place, type Press, placeOf } from "./keys";

const free: Place = { isTaken: false, isOnControl: false, isOnSlider: false, isInPlayer: false };
const recording = { isLive: false, isPaused: false };
const live = { isLive: true, isPaused: false };

function press(key: string, more: Partial<Press> = {}): Press {
  return { key, code: "", hasModifier: false, isShifted: false, ...more };
}

describe("the keys", () => {
  it.each([
    [" ", { do: "toggle" }],
    ["k", { do: "toggle" }],
    ["K", { do: "toggle" }],
    ["j", { do: "seek-by", by: -10 }],
    ["l", { do: "seek-by", by: 10 }],
    ["ArrowLeft", { do: "seek-by", by: -5 }],
    ["ArrowRight", { do: "seek-by", by: 5 }],
    ["m", { do: "mute" }],
    ["f", { do: "fullscreen" }],
    ["t", { do: "theatre" }],
    ["i", { do: "pip" }],
    ["c", { do: "captions" }],
    ["0", { do: "seek-share", to: 0 }],
    ["7", { do: "seek-share", to: 0.7 }],
    ["<", { do: "speed-step", by: -1 }],
    [">", { do: "speed-step", by: 1 }],
    ["?", { do: "help" }],
    ["x", null],
    ["/", null],
  ])("%s", (key, command) => {
    expect(commandOf(press(key), free, recording)).toEqual(command);
  });

  it("cut a clip with Alt and X, whatever letter that writes, and with nothing else", () => {
    const alt = { hasModifier: true, isAlt: true, code: "KeyX" };
    for (const key of ["x", "X", "≈", "ч"])
      expect(commandOf(press(key, alt), free, recording)).toEqual({ do: "clip" });
    expect(commandOf(press("x", { ...alt, isAlt: false }), free, recording)).toBeNull();
    expect(commandOf(press("x", alt), { ...free, isTaken: true }, recording)).toBeNull();
    expect(commandOf(press("k", { ...alt, code: "KeyK" }), free, recording)).toBeNull();
  });

  it("are found by their place where the layout has no Latin letters", () => {
    expect(commandOf(press("л", { code: "KeyK" }), free, recording)).toEqual({ do: "toggle" });
    expect(commandOf(press("ь", { code: "KeyM" }), free, recording)).toEqual({ do: "mute" });
    // Dvorak: what is written on the key counts, not where it is.
    expect(commandOf(press("t", { code: "KeyK" }), free, recording)).toEqual({ do: "theatre" });
    // A French keyboard has digits behind shift, and marks in front of them.
    expect(commandOf(press("é", { code: "Digit2" }), free, recording)).toEqual({ do: "seek-share", to: 0.2 });
    expect(commandOf(press("?", { code: "Digit7", isShifted: true }), free, recording)).toEqual({
      do: "help",
    });
  });

  it("belong to the browser with a modifier, and to what is typed in or open", () => {
    expect(commandOf(press("k", { hasModifier: true }), free, recording)).toBeNull();
    expect(commandOf(press("k"), { ...free, isTaken: true }, recording)).toBeNull();
  });

  it("leave a button its space and a slider its arrows", () => {
    expect(commandOf(press(" "), { ...free, isOnControl: true }, recording)).toBeNull();
    expect(commandOf(press("k"), { ...free, isOnControl: true }, recording)).toEqual({ do: "toggle" });
    const slider = { ...free, isOnSlider: true, isInPlayer: true };
    for (const key of ["ArrowLeft", "ArrowUp", "Home", "End", "PageUp"])
      expect(commandOf(press(key), slider, recording)).toBeNull();
  });

  it("leave the page its scrolling until the player is meant", () => {
    for (const key of ["ArrowUp", "ArrowDown", "Home", "End"])
      expect(commandOf(press(key), free, recording)).toBeNull();
    const inside = { ...free, isInPlayer: true };
    expect(commandOf(press("ArrowUp"), inside, recording)).toEqual({ do: "volume-by", by: 0.05 });
    expect(commandOf(press("End"), inside, recording)).toEqual({ do: "seek-share", to: 1 });
    expect(commandOf(press("End"), inside, live)).toEqual({ do: "live" });
  });

  it("change no broadcast's speed, and step frames of a paused recording only", () => {
    expect(commandOf(press(">"), free, live)).toBeNull();
    expect(commandOf(press("."), free, recording)).toBeNull();
    expect(commandOf(press("."), free, { isLive: false, isPaused: true })).toEqual({ do: "frame", by: 1 });
    expect(commandOf(press("."), free, { isLive: true, isPaused: true })).toBeNull();
  });
});

describe("where a key was pressed", () => {
  const page = (html: string) => {
    document.body.innerHTML = html;
    const player = document.querySelector<HTMLElement>("#player");
    const target = document.querySelector("#here");
    return placeOf(target, player);
  };

  it("is read from the page", () => {
    expect(page('<h1 id="here"></h1><div id="player"></div>')).toEqual(free);
    expect(page('<textarea id="here"></textarea>').isTaken).toBe(true);
    expect(page('<div role="menu"><div id="here" role="menuitem"></div></div>').isTaken).toBe(true);
    expect(page('<button id="here"></button>')).toMatchObject({ isOnControl: true, isTaken: false });
    expect(page('<div id="player"><div id="here" role="slider" tabindex="0"></div></div>')).toMatchObject({
      isOnSlider: true,
      isInPlayer: true,
      isOnControl: false,
    });
    expect(page('<input type="range" id="here">')).toMatchObject({ isOnSlider: true, isTaken: false });
  });
});
