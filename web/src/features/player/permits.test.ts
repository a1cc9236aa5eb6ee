import { afterEach, expect, test } from "vitest";
import { forgetPermits, hasPermit, keepPermit, withPermit } from "./permits";

afterEach(forgetPermits);

test("an address stays the same while its token changes", () => {
  expect(keepPermit("/live/alice/index.m3u8?token=one")).toBe("/live/alice/index.m3u8");
  const part = `${window.location.origin}/live/alice/0190/source/part1.0.m4s?token=one`;
  expect(keepPermit("/live/alice/index.m3u8?token=two")).toBe("/live/alice/index.m3u8");
  expect(withPermit(part)).toBe(part.replace("one", "two"));
  expect(withPermit(`${window.location.origin}/live/alice/index.m3u8?vs=1`)).toContain("vs=1&token=two");
});

test("a token goes nowhere but to its own stream on this site", () => {
  keepPermit("/live/alice/index.m3u8?token=one");
  for (const other of [
    `${window.location.origin}/live/bob/index.m3u8`,
    `${window.location.origin}/vod/alice/index.m3u8`,
    "https://bucket.example/live/alice/seg1.m4s",
  ])
    expect(withPermit(other)).toBe(other);
});

test("what is public is left alone", () => {
  expect(keepPermit("/live/alice/index.m3u8")).toBe("/live/alice/index.m3u8");
  expect(keepPermit("/live/alice/index.m3u8?stream=0190")).toBe("/live/alice/index.m3u8?stream=0190");
  expect(hasPermit("/live/alice/index.m3u8")).toBe(false);
});
