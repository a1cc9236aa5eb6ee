import { describe, expect, it } from "vitest";
import { CLIP_S, fineClock, keyed, moveFrom, moveTo, placeOf, type Trim, trimAround } from "./trim";

const trim: Trim = { low: 100, high: 280, from: 160, to: 190 };
const length = ({ from, to }: Trim) => Math.round((to - from) * 10) / 10;

describe("the handles", () => {
  it("begin around the moment the button was pressed at", () => {
    expect(trimAround(200, 3600, false)).toEqual({ low: 110, high: 290, from: 175, to: 205 });
    expect(trimAround(3, 3600, false)).toEqual({ low: 0, high: 93, from: 0, to: 8 });
    expect(trimAround(3599, 3600, false)).toEqual({ low: 3509, high: 3600, from: 3570, to: 3600 });
  });

  it("end where a live viewer is", () => {
    expect(trimAround(600, 601, true)).toEqual({ low: 511, high: 601, from: 570, to: 600 });
    expect(trimAround(7, 7, true)).toEqual({ low: 0, high: 7, from: 0, to: 7 });
  });

  it("have nothing to cut from in less than five seconds", () => {
    expect(trimAround(2, 4.9, false)).toBeNull();
    expect(trimAround(2, 4.9, true)).toBeNull();
    expect(trimAround(0, Number.NaN, false)).toBeNull();
  });

  it("move by themselves while the clip has a good length", () => {
    expect(moveFrom(trim, 170.04)).toEqual({ ...trim, from: 170 });
    expect(moveTo(trim, 230)).toEqual({ ...trim, to: 230 });
  });

  it("push each other rather than make a clip too short or too long", () => {
    expect(moveFrom(trim, 188)).toEqual({ ...trim, from: 188, to: 193 });
    expect(moveTo(trim, 162)).toEqual({ ...trim, from: 157, to: 162 });
    expect(moveTo(trim, 280)).toEqual({ ...trim, from: 190, to: 280 });
    const late = { ...trim, from: 270, to: 280 };
    expect(moveFrom(late, 100)).toEqual({ ...trim, from: 100, to: 190 });
  });

  it("never leave what there is, wherever they are dragged", () => {
    for (const at of [-1e9, 0, 99.9, 100, 277.3, 280, 280.1, 1e9]) {
      for (const moved of [moveFrom(trim, at), moveTo(trim, at)]) {
        expect(moved.from).toBeGreaterThanOrEqual(trim.low);
        expect(moved.to).toBeLessThanOrEqual(trim.high);
        expect(length(moved)).toBeGreaterThanOrEqual(CLIP_S.min);
        expect(length(moved)).toBeLessThanOrEqual(CLIP_S.max);
      }
    }
  });

  it("have keys: small steps, finer with Shift, large ones, and the ends", () => {
    const press = (key: string, isShifted = false) => keyed({ key, isShifted }, 160, trim);
    expect([press("ArrowRight"), press("ArrowLeft"), press("ArrowUp", true)]).toEqual([160.5, 159.5, 160.1]);
    expect([press("PageUp"), press("PageDown"), press("Home"), press("End")]).toEqual([165, 155, 100, 280]);
    expect(press("Tab")).toBeNull();
  });
});

describe("a live viewer's place in the recording", () => {
  const began = Date.parse("2026-11-22T12:00:00Z");
  /** Two seconds each, with a minute nobody recorded after the third. */
  const parts = [0, 2, 4, 64, 66].map((dateS, i) => ({
    start: i * 2,
    duration: 2,
    programDateTime: began + dateS * 1000,
  }));
  const at = (second: number) => placeOf(parts, began + second * 1000);

  it("is found by date, across time that was not recorded", () => {
    expect(at(3)).toEqual({ at: 3, end: 10 });
    expect(at(65)).toEqual({ at: 7, end: 10 });
    expect(at(30)).toEqual({ at: 6, end: 10 });
  });

  it("may be a little ahead of what is stored, and no more", () => {
    expect(at(71.5)).toEqual({ at: 13.5, end: 13.5 });
    expect(at(500)).toEqual({ at: 20, end: 20 });
  });

  it("is nowhere before anything is known", () => {
    expect(placeOf([], began)).toBeNull();
  });
});

it("lengths are told to the tenth", () => {
  expect([fineClock(0), fineClock(62.5), fineClock(3725.96), fineClock(-1)]).toEqual([
    "0:00.0",
    "1:02.5",
    "1:02:06.0",
    "0:00.0",
  ]);
});
