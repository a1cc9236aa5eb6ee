import { describe, expect, it } from "vitest";
import { sideOf, type Taps, tap } from "./gestures";

describe("touches", () => {
  it("once are no skip, twice on a side are, and each one more skips on", () => {
    let taps: Taps = null;
    const skips = [0, 200, 400, 1_000].map((at) => {
      const found = tap(taps, "right", at);
      taps = found.taps;
      return found.skip;
    });
    expect(skips).toEqual([null, 1, 1, null]);
  });

  it("on the left go back; in the middle, or on two sides, they do not skip", () => {
    expect(tap({ at: 0, side: "left", count: 1 }, "left", 250).skip).toBe(-1);
    expect(tap({ at: 0, side: "middle", count: 1 }, "middle", 250).skip).toBeNull();
    expect(tap({ at: 0, side: "left", count: 1 }, "right", 250).skip).toBeNull();
  });

  it("know their side", () => {
    expect([10, 200, 390].map((x) => sideOf(x, 400))).toEqual(["left", "middle", "right"]);
  });
});
