// The arithmetic of the analytics pages: ranges of days, changes, shares, and columns for graphs.
import type { AnalyticsStep, ChannelAnalytics } from "@/api/types";

export type Range = { from: string; to: string };
export type Day = ChannelAnalytics["range"]["days"][number];

const DAY_MS = 86_400_000;
/** As the server has it. */
export const DAYS_MAX = 366;
export const PRESETS = [7, 28, 90, 365] as const;

const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
/** The beginning of a day (UTC) in milliseconds; NaN for what is no day. */
export const startOf = (day: string) =>
  /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;

/** Days of a range, both ends included. */
export const lengthOf = ({ from, to }: Range) => Math.round((startOf(to) - startOf(from)) / DAY_MS) + 1;

/** The last so many days, today included. */
export function lastDays(count: number, now: number): Range {
  return { from: dayOf(now - (count - 1) * DAY_MS), to: dayOf(now) };
}

/** What is wrong with a range somebody typed, if anything. */
export function faultOf(range: Range): "day" | "order" | "length" | null {
  if (Number.isNaN(startOf(range.from)) || Number.isNaN(startOf(range.to))) return "day";
  const length = lengthOf(range);
  return length < 1 ? "order" : length > DAYS_MAX ? "length" : null;
}

/** Which of the presets a range is, seen from now. */
export function presetOf(range: Range, now: number): (typeof PRESETS)[number] | null {
  return (
    PRESETS.find((count) => {
      const preset = lastDays(count, now);
      return preset.from === range.from && preset.to === range.to;
    }) ?? null
  );
}

export type Change = { kind: "up" | "down" | "same"; share: number } | { kind: "new" } | null;

/** How a number moved since before. Null: one of the two is not known. */
export function changeOf(now: number | null, before: number | null): Change {
  if (now === null || before === null) return null;
  if (now === before) return { kind: "same", share: 0 };
  if (before === 0) return { kind: "new" };
  return { kind: now > before ? "up" : "down", share: Math.abs(now - before) / before };
}

/** A part of a whole, 0 to 1; of nothing it is 0. */
export const shareOf = (part: number, whole: number) => (whole > 0 ? Math.min(1, part / whole) : 0);

/** Chat lines a minute on air. Null where either is not known. */
export function chatRate(lines: number | null, onAirS: number): number | null {
  return lines === null || onAirS <= 0 ? null : lines / (onAirS / 60);
}

export type Line = { key: string; values: (number | null)[] };

/** A number of each day, and the same of the days before, each beside the one it is compared with. */
export function dayLines(
  days: readonly Day[],
  before: readonly Day[] | null,
  of: (day: Day) => number | null,
) {
  const lines: Line[] = [{ key: "now", values: days.map(of) }];
  if (before) {
    lines.push({ key: "before", values: days.map((_, i) => (before[i] ? of(before[i]) : null)) });
  }
  return lines;
}

/** Viewers on a day without a stream are not none: there was nothing to watch. */
export const onAirOnly =
  (of: (day: Day) => number | null) =>
  (day: Day): number | null =>
    day.on_air_s > 0 ? of(day) : null;

/** Greatest and mean of what is known. */
export function spread(values: readonly (number | null)[]): { max: number | null; mean: number | null } {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return { max: null, mean: null };
  return { max: Math.max(...known), mean: known.reduce((sum, value) => sum + value, 0) / known.length };
}

/** Times of a stream's steps in seconds, as the graph wants them. */
export const timesOf = (steps: readonly AnalyticsStep[]) => steps.map((step) => Date.parse(step.at) / 1_000);

/** Spans of a stream in which nobody counted viewers, in steps: what a graph shows as gaps, told in words. */
export function gapsOf(steps: readonly AnalyticsStep[]): { count: number; steps: number } {
  let [count, missing, isOpen] = [0, 0, false];
  for (const step of steps) {
    if (step.viewers === null) {
      missing += 1;
      if (!isOpen) count += 1;
    }
    isOpen = step.viewers === null;
  }
  return { count, steps: missing };
}

/** The longest axis labels that fit: every so many of the days. */
export function labelEvery(count: number, fits: number): number {
  return Math.max(1, Math.ceil(count / Math.max(1, fits)));
}

/** `12.5 h`, `40 min`. */
export function watched(seconds: number, lang: string): string {
  const isShort = seconds < 3_600;
  return new Intl.NumberFormat(lang, {
    style: "unit",
    unit: isShort ? "minute" : "hour",
    maximumFractionDigits: isShort || seconds >= 360_000 ? 0 : 1,
  }).format(seconds / (isShort ? 60 : 3_600));
}
