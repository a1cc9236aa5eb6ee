// Where the viewer is and where they may go, in seconds on one axis: a recording's own time, or for a broadcast the time
// since it began. The live playlist and the rewound one have different clocks of their own, but share their dates. Pure.

export type Timeline = {
  start: number;
  /** For a broadcast: where a viewer at the chosen delay would be. */
  end: number;
  at: number;
  bufferedTo: number;
};

/** Part of a playlist: its place on the video's clock and its date. */
export type Dated = { start: number; duration: number; programDateTime: number | null };

/** What the player knows of a broadcast now: seconds on the video's clock unless it says otherwise. */
export type LiveSight = {
  at: number;
  bufferedTo: number;
  /** Date of what is shown, in ms since 1970; null without dates in the playlist. */
  atDateMs: number | null;
  /** Where a viewer at the chosen delay would be. */
  place: number;
  windowStart: number;
  /** When the broadcast began, where the server has all of it. */
  beganMs: number | null;
  /** Earlier than this there is nothing after all, as an answer has shown. */
  floorMs: number | null;
};

export function liveTimeline(sight: LiveSight): Timeline {
  const { at, atDateMs, beganMs, floorMs } = sight;
  if (atDateMs === null || beganMs === null) {
    const end = Math.max(sight.place, at);
    return { start: Math.min(sight.windowStart, at), end, at, bufferedTo: sight.bufferedTo };
  }
  // A broadcaster's absence makes the dates jump; near the viewer they run like the video.
  const here = (atDateMs - beganMs) / 1000;
  const axis = (time: number) => here + (time - at);
  const floor = floorMs === null ? 0 : (floorMs - beganMs) / 1000;
  return {
    start: Math.min(Math.max(0, floor), here),
    end: Math.max(axis(sight.place), here),
    at: here,
    bufferedTo: Math.max(here, axis(sight.bufferedTo)),
  };
}

/** Where a date lies on the video's clock. A date between two parts is the later one's begin; null before the first. */
export function timeOfDate(parts: readonly Dated[], dateMs: number): number | null {
  let last: number | null = null;
  for (const part of parts) {
    if (part.programDateTime === null) continue;
    const into = (dateMs - part.programDateTime) / 1000;
    if (into < 0) return last === null ? null : part.start;
    if (into < part.duration) return part.start + into;
    last = part.start + part.duration;
  }
  return last;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

/** How far is loaded from a place on the video's clock. */
export function bufferedTo({ buffered }: HTMLVideoElement, at: number): number {
  for (let i = 0; i < buffered.length; i += 1)
    if (buffered.start(i) <= at && at <= buffered.end(i)) return buffered.end(i);
  return at;
}

/** The last second one may seek to; null while there is none. */
export function seekableEnd({ seekable }: HTMLVideoElement): number | null {
  return seekable.length > 0 ? seekable.end(seekable.length - 1) : null;
}

export function seekableStart({ seekable }: HTMLVideoElement): number {
  return seekable.length > 0 ? seekable.start(0) : 0;
}
