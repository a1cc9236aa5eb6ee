// Times and numbers as people read them, in the language they chose.

/** `1:02:03`, `2:03`. What is not a length is `0:00`. */
export function clock(seconds: number): string {
  const whole = Number.isFinite(seconds) && seconds > 0 ? Math.floor(seconds) : 0;
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, "0");
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** Seconds since `iso`, never negative: clocks differ. */
export function secondsSince(iso: string, now: number = Date.now()): number {
  const then = Date.parse(iso);
  return Number.isNaN(then) ? 0 : Math.max(0, (now - then) / 1000);
}

/** Whole seconds until `iso`, or null when it has passed or is unknown. */
export function secondsUntil(iso: string | null | undefined, now: number = Date.now()): number | null {
  if (!iso) return null;
  const left = Math.ceil((Date.parse(iso) - now) / 1000);
  return Number.isNaN(left) || left <= 0 ? null : left;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 hours ago", "vừa xong". */
export function ago(iso: string, lang: string, now: number = Date.now()): string {
  const seconds = secondsSince(iso, now);
  const format = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  for (const [unit, size] of UNITS) {
    if (seconds >= size) return format.format(-Math.floor(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** 1234 as "1.2K" and its like. */
export function compact(value: number, lang: string): string {
  return new Intl.NumberFormat(lang, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

export function whole(value: number, lang: string): string {
  return new Intl.NumberFormat(lang).format(value);
}

/** Delay as shown in the player: one decimal, no more than anyone can feel. */
export function delay(seconds: number, lang: string): string {
  return new Intl.NumberFormat(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(
    Math.max(0, seconds),
  );
}

export function timeOfDay(iso: string, lang: string): string {
  return new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" }).format(new Date(iso));
}

export function day(iso: string, lang: string): string {
  return new Intl.DateTimeFormat(lang, { dateStyle: "medium" }).format(new Date(iso));
}
