import { expect, it } from "vitest";
import { learnClock, offsetOf, serverTime } from "./serverClock";

const NOON = Date.parse("2026-11-21T12:00:00Z");
const at = (ms: number) => new Date(ms).toUTCString();

it("a clock that agrees within what a Date header can say is believed", () => {
  expect(offsetOf(at(NOON), NOON, NOON + 80)).toBe(0);
  expect(offsetOf(at(NOON), NOON + 900, NOON + 980)).toBe(0);
  // An answer that took six seconds says little.
  expect(offsetOf(at(NOON + 5_000), NOON, NOON + 6_000)).toBe(0);
});

it("a clock that is minutes off is corrected", () => {
  expect(offsetOf(at(NOON), NOON + 300_000, NOON + 300_100)).toBeCloseTo(-299_550, -1);
  learnClock(new Response(null, { headers: { date: at(NOON) } }), NOON - 600_000, NOON - 600_000);
  expect(serverTime(NOON - 600_000)).toBe(NOON + 500);
});

it("an answer without a date teaches nothing", () => {
  expect(offsetOf(null, NOON, NOON)).toBeNull();
  expect(offsetOf("soon", NOON, NOON)).toBeNull();
});
