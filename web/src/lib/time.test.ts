import { expect, it } from "vitest";
import { ago, clock, compact, delay, secondsSince, secondsUntil } from "./time";

const now = Date.parse("2026-11-21T12:00:00Z");

it("a length reads like a clock", () => {
  expect([0, 5, 65, 3_600, 36_061.9].map(clock)).toEqual(["0:00", "0:05", "1:05", "1:00:00", "10:01:01"]);
  expect([Number.NaN, -3, Number.POSITIVE_INFINITY].map(clock)).toEqual(["0:00", "0:00", "0:00"]);
});

it("uptime is never negative, whatever the clocks say", () => {
  expect(secondsSince("2026-11-21T11:59:00Z", now)).toBe(60);
  expect(secondsSince("2026-11-21T12:00:09Z", now)).toBe(0);
  expect(secondsSince("nonsense", now)).toBe(0);
});

it("a countdown ends at nothing, not at zero", () => {
  expect(secondsUntil("2026-11-21T12:00:41.200Z", now)).toBe(42);
  expect(secondsUntil("2026-11-21T12:00:00Z", now)).toBeNull();
  expect(secondsUntil(null, now)).toBeNull();
});

it("ages are told in the reader's language", () => {
  expect(ago("2026-11-21T09:00:00Z", "en", now)).toBe("3 hours ago");
  expect(ago("2026-11-20T11:00:00Z", "en", now)).toBe("yesterday");
  expect(ago("2026-11-21T09:00:00Z", "vi", now)).toBe("3 giờ trước");
  expect(ago("2026-11-21T11:59:58Z", "en", now)).toBe("now");
});

it("numbers are short and local", () => {
  expect(compact(1_284, "en")).toBe("1.3K");
  expect(delay(1.04, "en")).toBe("1.0");
  expect(delay(-2, "vi")).toBe("0,0");
});
