// When a link ends: a choice of a few spans, or a moment of one's own.
export const SPANS = ["never", "hour", "day", "week", "month", "own"] as const;
export type Span = (typeof SPANS)[number];

const HOUR_MS = 3_600_000;
const MS: Record<Exclude<Span, "never" | "own">, number> = {
  hour: HOUR_MS,
  day: 24 * HOUR_MS,
  week: 7 * 24 * HOUR_MS,
  month: 30 * 24 * HOUR_MS,
};

/** The moment a choice names; null: it never ends; undefined: there is no such moment. */
export function endOf(span: Span, own: string, now: number = Date.now()): string | null | undefined {
  if (span === "never") return null;
  if (span !== "own") return new Date(now + MS[span]).toISOString();
  const at = Date.parse(own);
  return Number.isNaN(at) || at <= now ? undefined : new Date(at).toISOString();
}

/** A moment as the field for one writes it, in the reader's own time. */
export function asField(iso: string | null | undefined): string {
  if (!iso) return "";
  const at = new Date(iso);
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** How often a link may be opened: null for no limit, undefined for what is no number. */
export function visitsOf(text: string): number | null | undefined {
  const plain = text.trim();
  if (plain === "") return null;
  const count = Number(plain);
  return Number.isInteger(count) && count >= 1 && count <= 1_000_000 ? count : undefined;
}
