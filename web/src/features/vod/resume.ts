// Where somebody stopped watching: kept in this browser, per account. Pure, but for `resumeStore` at the end.
import { read, write } from "@/lib/storage";

export type Place = {
  /** Seconds. */
  at: number;
  duration: number;
  /** A `Date.now()`. */
  when: number;
};
export type Places = Readonly<Record<string, Place>>;

/** So little is not a beginning. */
const BEGUN_S = 10;
/** So near the end it is over. */
const OVER_S = 15;
const OVER_SHARE = 0.97;
/** More recordings than this are forgotten, the oldest first. */
const PLACES_MAX = 100;

/** Takes down a place: nothing at the very beginning, and a recording that was seen is no longer waiting. */
export function withPlace(places: Places, id: string, place: Place): Places {
  const { at, duration } = place;
  if (!Number.isFinite(at) || !Number.isFinite(duration) || duration <= 0) return places;
  if (at < BEGUN_S || isOver(place)) return withoutPlace(places, id);
  const all = Object.entries({ ...places, [id]: place }).sort(([, a], [, b]) => b.when - a.when);
  return Object.fromEntries(all.slice(0, PLACES_MAX));
}

export function withoutPlace(places: Places, id: string): Places {
  if (!(id in places)) return places;
  const { [id]: _, ...rest } = places;
  return rest;
}

function isOver({ at, duration }: Place): boolean {
  return duration - at < OVER_S || at / duration > OVER_SHARE;
}

/** What was begun and not finished, newest first. */
export function unfinished(places: Places, max: number): string[] {
  return Object.entries(places)
    .sort(([, a], [, b]) => b.when - a.when)
    .slice(0, max)
    .map(([id]) => id);
}

/** `?t=1h2m3s`, `?t=90s`, `?t=90`. Null for what is no time. */
export function parseTime(text: string | undefined): number | null {
  const found = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/.exec(text?.trim() ?? "");
  if (!found || found[0] === "") return null;
  const [, h = "0", m = "0", s = "0"] = found;
  const total = Number(h) * 3600 + Number(m) * 60 + Number(s);
  return Number.isFinite(total) ? total : null;
}

export function readPlaces(text: string | null): Places {
  try {
    const known: unknown = JSON.parse(text ?? "{}");
    if (typeof known !== "object" || known === null) return {};
    return Object.fromEntries(Object.entries(known).filter(([, place]) => isPlace(place))) as Places;
  } catch {
    return {};
  }
}

function isPlace(value: unknown): value is Place {
  if (typeof value !== "object" || value === null) return false;
  const { at, duration, when } = value as Record<string, unknown>;
  return [at, duration, when].every((number) => typeof number === "number" && Number.isFinite(number));
}

const keyOf = (userId: string | null) => `rillcast.places.${userId ?? "anyone"}`;

/** The places of one account in this browser. Each change reads what other tabs wrote. */
export const resumeStore = {
  all: (userId: string | null): Places => readPlaces(read(keyOf(userId))),
  keep: (userId: string | null, id: string, place: Place): void => {
    write(keyOf(userId), JSON.stringify(withPlace(resumeStore.all(userId), id, place)));
  },
  forget: (userId: string | null, id: string): void => {
    const all = resumeStore.all(userId);
    const less = withoutPlace(all, id);
    if (less !== all) write(keyOf(userId), JSON.stringify(less));
  },
};
