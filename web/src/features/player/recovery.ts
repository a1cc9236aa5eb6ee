// What to do about a fatal playback error: a pure table, so that it can be tested without a video.
import { backoffMs } from "@/lib/backoff";

/** After this many failed attempts in a row the viewer is asked. */
export const RETRIES_MAX = 8;
const RETRY_BASE_MS = 1_000;
/** The first picture of a rendition comes within seconds of the source's. */
const NOT_YET_MS = 1_500;
const RETRY_MAX_MS = 8_000;
/** Two decoder resets within this time mean that resetting does not help. */
const MEDIA_RESET_WINDOW_MS = 10_000;

/** `not-yet`: nothing of a broadcast that this browser decodes; a rendition for it may be in the making. */
export type Fault = "network" | "missing" | "media" | "codec" | "not-yet" | "other";

export type History = { failures: number; mediaResetAt: number | null };

export type Remedy =
  | { do: "retry"; inMs: number; history: History }
  | { do: "reset-decoder"; history: History }
  | { do: "give-up"; why: "network" | "missing" | "unsupported" | "broken"; history: History };

export const noHistory: History = { failures: 0, mediaResetAt: null };

export function remedy(fault: Fault, history: History, now: number, random?: () => number): Remedy {
  if (fault === "codec") return { do: "give-up", why: "unsupported", history };
  if (
    fault === "media" &&
    (history.mediaResetAt === null || now - history.mediaResetAt > MEDIA_RESET_WINDOW_MS)
  ) {
    return { do: "reset-decoder", history: { ...history, mediaResetAt: now } };
  }
  const next = { ...history, failures: history.failures + 1 };
  if (next.failures > RETRIES_MAX) {
    const why =
      fault === "missing" || fault === "network" ? fault : fault === "not-yet" ? "unsupported" : "broken";
    return { do: "give-up", why, history: next };
  }
  if (fault === "not-yet") return { do: "retry", inMs: NOT_YET_MS, history: next };
  return {
    do: "retry",
    inMs: backoffMs(history.failures, RETRY_BASE_MS, RETRY_MAX_MS, random),
    history: next,
  };
}

/**
 * Delay to the broadcaster in seconds. The date in the playlist is the truth when the viewer's clock agrees with the
 * server's; a clock that is wrong by more than the playlist can explain is not believed.
 */
export function measuredLatency(
  playingDateMs: number | null,
  nowMs: number,
  fromEdgeS: number | null,
): number | null {
  if (playingDateMs !== null) {
    const byDate = (nowMs - playingDateMs) / 1000;
    const isPlausible = byDate >= 0 && (fromEdgeS === null ? byDate < 90 : Math.abs(byDate - fromEdgeS) < 10);
    if (isPlausible) return byDate;
  }
  return fromEdgeS !== null && fromEdgeS > 0 ? fromEdgeS : null;
}
