// Hours, days and time zones, as people write them.

/** What most people mean by leaving them alone. */
export const NIGHT = { from: "22:00", to: "07:00" };
export const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
/** ISO 8601: 1 is Monday. */
export const DAYS = [1, 2, 3, 4, 5, 6, 7];

/** The zone this browser is in. */
export function browserZone(): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone?.includes("/") ? zone : "UTC";
}

/** All zones the browser knows, UTC, and the one that is chosen. */
export function zones(chosen: string): string[] {
  const known = Intl.supportedValuesOf("timeZone").filter((zone) => zone.includes("/"));
  return [...new Set(["UTC", ...known, browserZone(), chosen])].sort((a, b) => a.localeCompare(b));
}

/** An hour of the day, as `8:00 AM` or `08:00`. */
export function clockHour(hour: number, lang: string): string {
  const at = new Date(Date.UTC(2026, 0, 5, hour));
  return new Intl.DateTimeFormat(lang, { timeStyle: "short", timeZone: "UTC" }).format(at);
}

/** A day of the week by its number. */
export function dayName(day: number, lang: string): string {
  // The fifth of January 2026 is a Monday.
  const at = new Date(Date.UTC(2026, 0, 4 + day));
  return new Intl.DateTimeFormat(lang, { weekday: "long", timeZone: "UTC" }).format(at);
}
