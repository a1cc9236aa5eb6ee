// How a live player keeps its distance from the edge: one jump when it starts too far behind, then a gentle catch-up
// that begins late and ends early, so that the speed does not waver. Pure, so that it can be tested without a video.

/** Kept back from its place, for the time that a part takes to arrive. */
const SPARE_S = 0.2;
/** Further behind its place than this, a player that has just started jumps. */
const JUMP_BEHIND_S = 0.6;
/** What must be buffered past the point jumped to, or the jump would end in a wait. */
const JUMP_BUFFER_S = 0.5;
/** Catching up begins this far behind its place, and ends this near. */
const CATCH_UP_FROM_S = 0.6;
const CATCH_UP_UNTIL_S = 0.25;
/** Catching up must not drain the buffer; a part lasts 0.2 s. */
const BUFFER_TO_BEGIN_S = 0.8;
const BUFFER_TO_GO_ON_S = 0.5;
/** Further behind than this is where the viewer wants to be. */
const FAR_BEHIND_S = 3;
/** Hardly heard, as browsers keep the pitch. */
export const CATCH_UP_RATE = 1.1;

/** What the player sees, in seconds. */
export type Sight = {
  at: number;
  /** Where a player at its chosen distance from the edge would be. */
  place: number;
  /** End of what is buffered without a hole from `at` on. */
  bufferedTo: number;
  /** It has just started, and the viewer has neither paused nor sought. */
  isStarting: boolean;
};

export type Pace = { jumpTo: number | null; rate: number };

export function pace({ at, place, bufferedTo, isStarting }: Sight, rate: number): Pace {
  const behind = place - at;
  const ahead = bufferedTo - at;
  const target = place - SPARE_S;
  if (isStarting && behind > JUMP_BEHIND_S && bufferedTo - target >= JUMP_BUFFER_S)
    return { jumpTo: target, rate: 1 };
  const isCatchingUp = rate > 1;
  const isWorthIt =
    behind < FAR_BEHIND_S &&
    (isCatchingUp
      ? behind > CATCH_UP_UNTIL_S && ahead > BUFFER_TO_GO_ON_S
      : behind > CATCH_UP_FROM_S && ahead > BUFFER_TO_BEGIN_S);
  return { jumpTo: null, rate: isWorthIt ? CATCH_UP_RATE : 1 };
}
