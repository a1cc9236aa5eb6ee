// The server's time, for deadlines it names: people's clocks are wrong by minutes more often than one would think.

/** Below this the difference is what `Date:` leaves out (it has whole seconds) and what the way took. */
const SLACK_MS = 2_000;

/** How far the server's clock is ahead of ours, by an answer's `Date:` and when the answer was asked for and came. */
export function offsetOf(date: string | null, askedAt: number, cameAt: number): number | null {
  const told = Date.parse(date ?? "");
  if (Number.isNaN(told)) return null;
  const offset = told + 500 - (askedAt + cameAt) / 2;
  return Math.abs(offset) < SLACK_MS + (cameAt - askedAt) / 2 ? 0 : offset;
}

let offsetMs = 0;

/** Learns from an answer of the API. */
export function learnClock(answer: Response, askedAt: number, cameAt: number): void {
  offsetMs = offsetOf(answer.headers.get("date"), askedAt, cameAt) ?? offsetMs;
}

/** What the server's clock shows when ours shows `now`. */
export function serverTime(now: number): number {
  return now + offsetMs;
}
