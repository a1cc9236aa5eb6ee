import type { Vod } from "@/api/types";

const DAY_MS = 24 * 3_600 * 1_000;
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** When a recording goes, as a date; null when it is kept for ever. It counts from its end. */
export function keptUntil(
  vod: Pick<Vod, "created_at" | "duration_s">,
  keepDays: number | null,
): string | null {
  if (keepDays === null) return null;
  const made = Date.parse(vod.created_at) + vod.duration_s * 1_000;
  return new Date(made + keepDays * DAY_MS).toISOString();
}

/** A size in the reader's language, with three figures at most. */
export function bytes(value: number, lang: string): string {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
  const unit = UNITS[step] ?? "byte";
  return new Intl.NumberFormat(lang, {
    style: "unit",
    unit,
    maximumSignificantDigits: 3,
  }).format(value / 1_000 ** step);
}
