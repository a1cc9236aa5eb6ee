import { expect, test } from "vitest";
import { DAYS, goodUntil, isOver, SCOPES, scopeKey } from "./apiTokens";

test("a token is over from its end on", () => {
  const now = Date.parse("2026-05-01T12:00:00Z");
  expect(isOver({ expires_at: "2026-05-01T12:00:01Z" }, now)).toBe(false);
  expect(isOver({ expires_at: "2026-05-01T12:00:00Z" }, now)).toBe(true);
});

test("its end is so many days away, and within what the server takes", () => {
  const now = Date.parse("2026-05-01T12:00:00Z");
  expect(goodUntil("7", now)).toBe("2026-05-08T12:00:00.000Z");
  expect(DAYS.every((days) => Number(days) <= 366)).toBe(true);
});

test("every scope has words of its own", () => {
  const keys = SCOPES.map(scopeKey);
  expect(new Set(keys).size).toBe(SCOPES.length);
  expect(keys.every((key) => /^[a-z_]+$/.test(key))).toBe(true);
});
