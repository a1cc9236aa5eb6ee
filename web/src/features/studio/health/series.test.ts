import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { IngestSample } from "@/api/types";
import en from "@/i18n/en.json";
import vi from "@/i18n/vi.json";
import { columns, ISSUES, isKnown, LINES, lamp, merge, STALE_AFTER_MS, spread } from "./series";

const sample = (second: number, change: Partial<IngestSample> = {}): IngestSample => ({
  at: new Date(1_700_000_000_000 + second * 1_000).toISOString(),
  epoch: 1,
  verdict: "good",
  issues: [],
  video_kbps: 4_000,
  audio_kbps: 160,
  fps: 30,
  keyframe_ms: 2_000,
  av_offset_ms: 10,
  audio_drift_ms: 0,
  delay_ms: 20,
  pace: 1,
  queue_ms: 0,
  ...change,
});
const seconds = (list: readonly IngestSample[]) =>
  list.map((one) => Date.parse(one.at) / 1_000 - 1_700_000_000);

it("history and what the socket told meet without doubles and in order", () => {
  const told = [sample(5), sample(6)];
  const history = [sample(3), sample(4), sample(5)];
  expect(seconds(merge(told, history, 600))).toEqual([3, 4, 5, 6]);
  expect(seconds(merge([sample(1), sample(2)], [sample(3)], 600))).toEqual([1, 2, 3]);
  expect(seconds(merge([sample(1), sample(2)], [sample(3)], 2))).toEqual([2, 3]);
  expect(merge([], [], 600)).toEqual([]);
});

it("the lamp tells a silent encoder from a lost line", () => {
  const base = {
    verdict: "good",
    heardAt: 1_000,
    isReconnecting: false,
    isLineUp: true,
    now: 2_000,
  } as const;
  const late = base.heardAt + STALE_AFTER_MS + 1;
  expect(lamp(base)).toBe("good");
  expect(lamp({ ...base, now: late })).toBe("noData");
  expect(lamp({ ...base, now: late, isLineUp: false })).toBe("unknown");
  expect(lamp({ ...base, isReconnecting: true })).toBe("noData");
  expect(lamp({ ...base, heardAt: null })).toBe("unknown");
});

it("a pause in the samples is a pause in the lines", () => {
  const list = [sample(0), sample(1), sample(20), sample(21, { verdict: "noData" })];
  const [times, video] = columns(list, LINES.bitrate, 1);
  expect(times?.map((at) => (at ?? 0) - 1_700_000_000)).toEqual([0, 1, 2, 20, 21]);
  expect(video).toEqual([4_000, 4_000, null, 4_000, null]);
});

it("a line is told in three numbers", () => {
  const list = [
    sample(0, { av_offset_ms: null }),
    sample(1, { av_offset_ms: -700 }),
    sample(2, { av_offset_ms: 30 }),
  ];
  const line = LINES.drift[0];
  expect(line && spread(list, line)).toEqual({ last: 30, min: -700, max: 30 });
  expect(line && spread([], line)).toEqual({ last: null, min: null, max: null });
});

it("every issue the server can name has a title and advice in both languages", () => {
  const document = JSON.parse(readFileSync("openapi.json", "utf8"));
  const named: string[] = document.components.schemas.IngestIssue.enum;
  expect([...ISSUES].sort()).toEqual([...named].sort());
  for (const texts of [en, vi]) {
    for (const issue of ISSUES) {
      expect(texts.studio.health.issue[issue].title).toBeTruthy();
      expect(texts.studio.health.issue[issue].advice).toBeTruthy();
    }
    expect(Object.keys(texts.studio.health.issue).every(isKnown)).toBe(true);
  }
});
