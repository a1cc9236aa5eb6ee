/** The wait before attempt `n` (0-based): doubling, capped, with a quarter of jitter so that clients spread out. */
export function backoffMs(
  n: number,
  baseMs: number,
  maxMs: number,
  random: () => number = Math.random,
): number {
  const wait = Math.min(maxMs, baseMs * 2 ** Math.min(n, 16));
  return Math.round(wait * (0.75 + random() * 0.5));
}
