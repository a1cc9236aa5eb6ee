// Which key asks for what. Pure: what is pressed, and where the focus is.
import type { Command } from "./request";

export type Press = {
  key: string;
  code: string;
  hasModifier: boolean;
  isShifted: boolean;
  /** With Alt and nothing else. */
  isAlt?: boolean;
};

/** Where a key was pressed: it decides who the key belongs to. */
export type Place = {
  /** In a field for text, or in a dialog or menu that has keys of its own. */
  isTaken: boolean;
  /** On a button, link or switch: space and enter are theirs. */
  isOnControl: boolean;
  /** On a slider or in a set of radios: arrows, Home and End are theirs. */
  isOnSlider: boolean;
  /** Within the player, or the player fills the screen. Outside of it the page scrolls by these keys. */
  isInPlayer: boolean;
};

export type Context = { isLive: boolean; isPaused: boolean };

export const SKIP_S = 10;
export const STEP_S = 5;
export const VOLUME_STEP = 0.05;

/** Letters by what they mean; for layouts without Latin letters by where they are. */
const LETTER_CODE = /^Key([A-Z])$/;

function meaning({ key, code, isShifted }: Press): string {
  if (/^[a-z]$/i.test(key)) return key.toLowerCase();
  const letter = LETTER_CODE.exec(code)?.[1];
  // A letter of another script; digits and marks are `key`'s in every layout.
  if (letter && /^\p{L}$/u.test(key)) return letter.toLowerCase();
  if (key === " " || code === "Space") return " ";
  if (/^(Digit|Numpad)\d$/.test(code) && !isShifted && /^\D$/.test(key)) return code.slice(-1);
  return key;
}

export function commandOf(press: Press, place: Place, context: Context): Command | null {
  // By its place: with Alt some keyboards write another letter.
  if (press.isAlt && press.code === "KeyX" && !place.isTaken) return { do: "clip" };
  if (press.hasModifier || place.isTaken) return null;
  const meant = meaning(press);
  const isArrow = meant.startsWith("Arrow") || meant === "Home" || meant === "End";
  if (place.isOnSlider && (isArrow || meant === "PageUp" || meant === "PageDown")) return null;
  if (place.isOnControl && (meant === " " || meant === "Enter")) return null;
  switch (meant) {
    case " ":
    case "k":
      return { do: "toggle" };
    case "j":
      return { do: "seek-by", by: -SKIP_S };
    case "l":
      return { do: "seek-by", by: SKIP_S };
    case "ArrowLeft":
      return { do: "seek-by", by: -STEP_S };
    case "ArrowRight":
      return { do: "seek-by", by: STEP_S };
    case "m":
      return { do: "mute" };
    case "f":
      return { do: "fullscreen" };
    case "t":
      return { do: "theatre" };
    case "i":
      return { do: "pip" };
    case "c":
      return { do: "captions" };
    case "?":
      return { do: "help" };
  }
  if (place.isInPlayer) {
    if (meant === "ArrowUp") return { do: "volume-by", by: VOLUME_STEP };
    if (meant === "ArrowDown") return { do: "volume-by", by: -VOLUME_STEP };
    if (meant === "Home") return { do: "seek-share", to: 0 };
    if (meant === "End") return context.isLive ? { do: "live" } : { do: "seek-share", to: 1 };
  }
  if (/^\d$/.test(meant)) return { do: "seek-share", to: Number(meant) / 10 };
  if (context.isLive) return null;
  if (meant === "<") return { do: "speed-step", by: -1 };
  if (meant === ">") return { do: "speed-step", by: 1 };
  if (!context.isPaused) return null;
  if (meant === ",") return { do: "frame", by: -1 };
  if (meant === ".") return { do: "frame", by: 1 };
  return null;
}

/** Reads the place from the page. */
export function placeOf(target: EventTarget | null, player: HTMLElement | null): Place {
  const at = target instanceof Element ? target : document.body;
  const role = at.getAttribute("role");
  const isTyping = at.closest(
    "input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]",
  );
  const ownKeys = at.closest('[role="dialog"], [role="alertdialog"], [role="menu"], [role="listbox"]');
  const isSlider =
    role === "slider" || at.matches('input[type="range"], input[type="radio"], [role="tab"], [role="radio"]');
  return {
    isTaken: Boolean(isTyping || ownKeys),
    isOnControl: at.closest('button, a, summary, [role="button"], [role="switch"], label, input') !== null,
    isOnSlider: isSlider,
    isInPlayer: player !== null && (player.contains(at) || document.fullscreenElement === player),
  };
}
