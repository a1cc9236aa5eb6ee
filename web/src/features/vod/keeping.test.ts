import { expect, test } from "vitest";
import { bytes, keptUntil } from "./keeping";

test("a recording is kept from its end on", () => {
  const vod = { created_at: "2026-01-01T10:00:00Z", duration_s: 3_600 };
  expect(keptUntil(vod, 30)).toBe("2026-01-31T11:00:00.000Z");
  expect(keptUntil(vod, null)).toBeNull();
});

test("sizes are short and have their unit", () => {
  expect(bytes(0, "en")).toBe("0 byte");
  expect(bytes(1_234_567, "en")).toBe("1.23 MB");
  expect(bytes(53_687_091_200, "en")).toBe("53.7 GB");
});
