// Which part of a recording becomes a clip: two handles in a window around a moment. Pure; all in seconds of the recording.
import { clamp, type Dated, timeOfDate } from "@/features/player/timeline";

export const CLIP_S = { min: 5, max: 90, usual: 30 } as const;
/** So much of the usual length lies after the moment somebody pressed the button at: what is worth a clip has just happened. */
const AFTER_S = 5;
/** A viewer may be so far ahead of what is stored. The server takes a little more. */
const AHEAD_S = 10;

export type Trim = {
  from: number;
  to: number;
  /** The part of the recording that can be chosen from. */
  low: number;
  high: number;
};

/** A tenth of a second is as fine as anybody can choose. */
const tenth = (second: number) => Math.round(second * 10) / 10;

/** The handles around a moment. Null where there is too little to cut from. */
export function trimAround(at: number, end: number, isLive: boolean): Trim | null {
  const high = tenth(isLive ? end : Math.min(end, at + CLIP_S.max));
  const low = tenth(Math.max(0, (isLive ? end : at) - CLIP_S.max));
  if (!Number.isFinite(high) || high - low < CLIP_S.min) return null;
  const to = clamp(isLive ? at : at + AFTER_S, low + CLIP_S.min, high);
  return { low, high, to: tenth(to), from: tenth(clamp(to - CLIP_S.usual, low, to - CLIP_S.min)) };
}

/** Moves the beginning. The end comes along where the clip would be too short or too long. */
export function moveFrom(trim: Trim, at: number): Trim {
  const from = tenth(clamp(at, trim.low, trim.high - CLIP_S.min));
  return {
    ...trim,
    from,
    to: tenth(clamp(trim.to, from + CLIP_S.min, Math.min(from + CLIP_S.max, trim.high))),
  };
}

/** Moves the end. The beginning comes along where the clip would be too short or too long. */
export function moveTo(trim: Trim, at: number): Trim {
  const to = tenth(clamp(at, trim.low + CLIP_S.min, trim.high));
  return { ...trim, to, from: tenth(clamp(trim.from, Math.max(trim.low, to - CLIP_S.max), to - CLIP_S.min)) };
}

export const STEPS = { fine: 0.1, usual: 0.5, large: 5 } as const;

/** Where a key moves a handle; null for keys that are not its own. */
export function keyed(
  { key, isShifted }: { key: string; isShifted: boolean },
  at: number,
  trim: Trim,
): number | null {
  const step = isShifted ? STEPS.fine : STEPS.usual;
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return at + step;
    case "ArrowLeft":
    case "ArrowDown":
      return at - step;
    case "PageUp":
      return at + STEPS.large;
    case "PageDown":
      return at - STEPS.large;
    case "Home":
      return trim.low;
    case "End":
      return trim.high;
    default:
      return null;
  }
}

/** Where a live viewer's picture lies in the recording of the same stream, and where that ends: what they saw is stored a little later. */
export function placeOf(parts: readonly Dated[], dateMs: number): { at: number; end: number } | null {
  const last = parts.at(-1);
  if (!last) return null;
  const stored = last.start + last.duration;
  const at = timeOfDate(parts, dateMs) ?? parts[0]?.start ?? 0;
  if (last.programDateTime === null || at < stored) return { at, end: stored };
  const ahead = (dateMs - last.programDateTime) / 1000 - last.duration;
  const end = stored + clamp(ahead, 0, AHEAD_S);
  return { at: end, end };
}

/** `1:02.5`: a length that is chosen to the tenth. */
export function fineClock(second: number): string {
  const tenths = Math.max(0, Math.round(second * 10));
  const [whole, rest] = [Math.floor(tenths / 10), tenths % 10];
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return `${h > 0 ? `${h}:${two(m)}` : m}:${two(s)}.${rest}`;
}
