import { expect, it } from "vitest";
import type { AnalyticsStep } from "@/api/types";
import {
  changeOf,
  chatRate,
  type Day,
  dayLines,
  faultOf,
  gapsOf,
  labelEvery,
  lastDays,
  lengthOf,
  onAirOnly,
  presetOf,
  shareOf,
  spread,
  watched,
} from "./numbers";

const NOW = Date.parse("2026-11-22T23:30:00Z");
const day = (change: Partial<Day> = {}): Day => ({
  date: "2026-11-22",
  on_air_s: 3_600,
  uncounted_s: 0,
  watch_s: 7_200,
  peak_viewers: 4,
  average_viewers: 2,
  chat_lines: 60,
  new_followers: 1,
  ...change,
});
const step = (viewers: number | null): AnalyticsStep => ({
  at: "2026-11-22T10:00:00Z",
  viewers,
  players: null,
  connections: null,
  chat_lines: null,
  new_followers: null,
});

it("a range of days counts both its ends, also over the end of a month and a leap day", () => {
  expect(lastDays(7, NOW)).toEqual({ from: "2026-11-16", to: "2026-11-22" });
  expect(lengthOf(lastDays(7, NOW))).toBe(7);
  expect(lengthOf({ from: "2024-02-28", to: "2024-03-01" })).toBe(3);
  expect(presetOf(lastDays(28, NOW), NOW)).toBe(28);
  expect(presetOf({ from: "2026-11-01", to: "2026-11-22" }, NOW)).toBeNull();
});

it("a range somebody typed is told what is wrong with it", () => {
  expect(faultOf({ from: "2024-01-01", to: "2024-12-31" })).toBeNull();
  expect(faultOf({ from: "2024-01-01", to: "2025-01-01" })).toBe("length");
  expect(faultOf({ from: "2024-01-02", to: "2024-01-01" })).toBe("order");
  for (const from of ["", "2024-02-99", "today"]) expect(faultOf({ from, to: "2024-03-01" })).toBe("day");
});

it("a change is measured against what was, and not made up", () => {
  expect(changeOf(150, 100)).toEqual({ kind: "up", share: 0.5 });
  expect(changeOf(25, 100)).toEqual({ kind: "down", share: 0.75 });
  expect(changeOf(0, 0)).toEqual({ kind: "same", share: 0 });
  expect(changeOf(5, 0)).toEqual({ kind: "new" });
  expect(changeOf(null, 5)).toBeNull();
  expect(changeOf(5, null)).toBeNull();
});

it("days stand beside the days they are compared with", () => {
  const days = [day({ peak_viewers: 1 }), day({ peak_viewers: 0, on_air_s: 0 })];
  const before = [day({ peak_viewers: 9 })];
  expect(
    dayLines(
      days,
      before,
      onAirOnly((one) => one.peak_viewers),
    ),
  ).toEqual([
    { key: "now", values: [1, null] },
    { key: "before", values: [9, null] },
  ]);
  expect(dayLines(days, null, (one) => one.watch_s)).toHaveLength(1);
});

it("what nobody counted is a gap, and told as one", () => {
  const steps = [null, 3, null, null, 0, null].map(step);
  expect(gapsOf(steps)).toEqual({ count: 3, steps: 4 });
  expect(gapsOf([step(0)])).toEqual({ count: 0, steps: 0 });
  expect(spread([null, 2, 4])).toEqual({ max: 4, mean: 3 });
  expect(spread([null])).toEqual({ max: null, mean: null });
});

it("parts of nothing are nothing", () => {
  expect(shareOf(1, 4)).toBe(0.25);
  expect(shareOf(1, 0)).toBe(0);
  expect(chatRate(120, 3_600)).toBe(2);
  expect(chatRate(null, 3_600)).toBeNull();
  expect(chatRate(5, 0)).toBeNull();
  expect(labelEvery(365, 6)).toBe(61);
  expect(labelEvery(3, 6)).toBe(1);
});

it("time that was watched is said in hours, or in minutes while there is none", () => {
  expect(watched(1_800, "en")).toBe("30 min");
  expect(watched(45_000, "en")).toBe("12.5 hr");
  expect(watched(0, "en")).toBe("0 min");
});
