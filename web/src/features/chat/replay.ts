// The chat of a recording in step with it: which lines are known around a place, as a pure reducer.
import type { ChatMessage } from "@/api/types";

/** Lines kept in memory; those farthest behind go first. */
export const REPLAY_MAX = 2_000;
/** So much of what comes is fetched before it is due. */
const AHEAD_MS = 10_000;

export type Replay = {
  /** In the order in which they were said. */
  lines: ChatMessage[];
  /** The part of the recording, in milliseconds, of which every line is known. */
  from: number;
  to: number;
};

export type ReplayAction =
  | { type: "sought"; at: number; before: ChatMessage[]; after: ChatMessage[]; pageSize: number; end: number }
  | { type: "went-on"; items: ChatMessage[]; pageSize: number; end: number };

export const nothing: Replay = { lines: [], from: 0, to: -1 };

export function replay(state: Replay, action: ReplayAction): Replay {
  const { pageSize, end } = action;
  const known = (items: ChatMessage[]) => (items.length < pageSize ? end : (items.at(-1)?.offset_ms ?? end));
  if (action.type === "sought") {
    const first = action.before[0]?.offset_ms ?? 0;
    const isAll = action.before.length < pageSize;
    return {
      lines: [...action.before, ...action.after],
      from: isAll ? 0 : first,
      to: known(action.after),
    };
  }
  const ids = new Set(state.lines.map((line) => line.id));
  const lines = [...state.lines, ...action.items.filter((line) => !ids.has(line.id))];
  const kept = lines.slice(-REPLAY_MAX);
  return {
    lines: kept,
    from: kept.length < lines.length ? (kept[0]?.offset_ms ?? state.from) : state.from,
    to: known(action.items),
  };
}

/** What must be asked for so that the place can be shown, and what comes after it soon. */
export function need(state: Replay, at: number): "place" | "more" | null {
  if (at < state.from || at > state.to) return "place";
  return at + AHEAD_MS > state.to ? "more" : null;
}

/** How many lines have been said by then. */
export function saidBy(lines: ChatMessage[], at: number): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.offset_ms ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
