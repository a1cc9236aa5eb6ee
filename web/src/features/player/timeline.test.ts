import { describe, expect, it } from "vitest";
import { clamp, liveTimeline, timeOfDate } from "./timeline";

const BEGAN = 1_000_000;
const sight = {
  at: 20,
  bufferedTo: 22,
  atDateMs: BEGAN + 620_000,
  place: 29,
  windowStart: 0,
  beganMs: BEGAN,
  floorMs: null,
};

describe("a broadcast's timeline", () => {
  it("counts from its beginning, whatever the playlist's own clock says", () => {
    expect(liveTimeline(sight)).toEqual({ start: 0, end: 629, at: 620, bufferedTo: 622 });
    // The rewound playlist's clock begins elsewhere: the same place is the same second.
    const rewound = { ...sight, at: 620, bufferedTo: 622, place: 629 };
    expect(liveTimeline(rewound)).toEqual(liveTimeline(sight));
  });

  it("begins where the server's answer does, when that is later", () => {
    expect(liveTimeline({ ...sight, floorMs: BEGAN + 600_000 }).start).toBe(600);
    expect(liveTimeline({ ...sight, floorMs: BEGAN - 5_000 }).start).toBe(0);
    expect(liveTimeline({ ...sight, floorMs: BEGAN + 700_000 }).start).toBe(620);
  });

  it("is the playlist's window without dates", () => {
    expect(liveTimeline({ ...sight, atDateMs: null })).toEqual({ start: 0, end: 29, at: 20, bufferedTo: 22 });
  });

  it("never ends before the viewer", () => {
    expect(liveTimeline({ ...sight, place: 19 }).end).toBe(620);
  });
});

describe("a date's place", () => {
  const parts = [
    { start: 10, duration: 2, programDateTime: 50_000 },
    { start: 12, duration: 2, programDateTime: 52_000 },
    // The broadcaster was away for a minute.
    { start: 14, duration: 2, programDateTime: 114_000 },
  ];

  it("is within its part", () => {
    expect(timeOfDate(parts, 50_000)).toBe(10);
    expect(timeOfDate(parts, 53_500)).toBe(13.5);
    expect(timeOfDate(parts, 115_000)).toBe(15);
  });

  it("that nothing was sent at is where it went on", () => {
    expect(timeOfDate(parts, 80_000)).toBe(14);
  });

  it("before all is nowhere, after all is the end", () => {
    expect(timeOfDate(parts, 49_999)).toBeNull();
    expect(timeOfDate(parts, 200_000)).toBe(16);
    expect(timeOfDate([], 1)).toBeNull();
  });
});

it("a bound that is upside down holds to its low end", () => {
  expect(clamp(5, 0, 3)).toBe(3);
  expect(clamp(5, 7, 3)).toBe(7);
});
