import { describe, expect, it } from "vitest";
import { CATCH_UP_RATE, pace } from "./pace";

const sight = (behind: number, ahead: number, isStarting = false) => ({
  at: 100,
  place: 100 + behind,
  bufferedTo: 100 + ahead,
  isStarting,
});

describe("a player that has just started", () => {
  it("jumps to its place when it is far behind and that is buffered", () => {
    expect(pace(sight(2, 2.6, true), 1)).toEqual({ jumpTo: 101.8, rate: 1 });
  });

  it("does not jump where nothing is buffered, nor for little", () => {
    expect(pace(sight(2, 2.1, true), 1).jumpTo).toBeNull();
    expect(pace(sight(0.5, 1.1, true), 1).jumpTo).toBeNull();
  });
});

describe("a player that has been on for a while", () => {
  it("never jumps, and leaves a viewer alone who went far back", () => {
    expect(pace(sight(2, 2.6), 1)).toEqual({ jumpTo: null, rate: CATCH_UP_RATE });
    expect(pace(sight(8, 8.6), 1)).toEqual({ jumpTo: null, rate: 1 });
  });

  it("begins to catch up late and ends early, without wavering between", () => {
    expect(pace(sight(0.5, 1.1), 1).rate).toBe(1);
    expect(pace(sight(0.7, 1.3), 1).rate).toBe(CATCH_UP_RATE);
    expect(pace(sight(0.4, 1), CATCH_UP_RATE).rate).toBe(CATCH_UP_RATE);
    expect(pace(sight(0.2, 0.8), CATCH_UP_RATE).rate).toBe(1);
  });

  it("does not drain a short buffer", () => {
    expect(pace(sight(0.7, 0.7), 1).rate).toBe(1);
    expect(pace(sight(0.6, 0.4), CATCH_UP_RATE).rate).toBe(1);
  });
});
