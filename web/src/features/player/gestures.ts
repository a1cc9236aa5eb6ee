// Touches on the picture: one shows or hides the controls, two quick ones on a side skip. Pure.

/** Two touches further apart in time than this are two single ones. */
export const DOUBLE_MS = 300;
/** How much of the width on each side skips. */
const SIDE = 0.36;

export type Taps = { at: number; side: Side; count: number } | null;
export type Side = "left" | "middle" | "right";

export function sideOf(x: number, width: number): Side {
  if (x < width * SIDE) return "left";
  return x > width * (1 - SIDE) ? "right" : "middle";
}

/** The skip a touch means, or null for a single one. Further quick touches on the same side skip on. */
export function tap(before: Taps, side: Side, at: number): { taps: Taps; skip: 1 | -1 | null } {
  const isNext = before !== null && before.side === side && at - before.at <= DOUBLE_MS;
  const taps = { at, side, count: isNext ? before.count + 1 : 1 };
  if (!isNext || side === "middle") return { taps, skip: null };
  return { taps, skip: side === "left" ? -1 : 1 };
}
