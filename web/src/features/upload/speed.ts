// How fast it goes, and how long it takes yet.
const WINDOW_MS = 10_000;
/** Before this nothing is said: the first second says little of the next ones. */
const SETTLED_MS = 1_500;

/** How much was sent by when. */
export type Sample = { at: number; bytes: number };

/** The samples of the last seconds and a new one. What was sent can become less: a part that broke off is sent anew. */
export function measured(samples: readonly Sample[], next: Sample): Sample[] {
  const last = samples.at(-1);
  const kept = last && next.bytes < last.bytes ? [] : samples;
  return [...kept.filter((one) => next.at - one.at <= WINDOW_MS), next];
}

/** Bytes a second, or null while nobody can say. */
export function speed(samples: readonly Sample[], now: number): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || now - first.at < SETTLED_MS) return null;
  return ((last.bytes - first.bytes) * 1_000) / (now - first.at);
}

/** Seconds that are left, or null while nobody can say. */
export function secondsLeft(left: number, bytesPerSecond: number | null): number | null {
  if (bytesPerSecond === null || bytesPerSecond <= 0) return null;
  return Math.ceil(left / bytesPerSecond);
}
