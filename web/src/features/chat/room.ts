// What a chat room shows, as a pure reducer: stored lines in order, own lines on their way below them.
import type { ChatMessage, ChatModes } from "@/api/types";

/** More lines than this are not kept in memory. */
export const LINES_MAX = 1_000;

export type Pending = {
  clientId: string;
  text: string;
  state: "sending" | "failed";
  code: string | null;
  retryAfterS: number | null;
};

export type Room = {
  lines: ChatMessage[];
  pending: Pending[];
  modes: ChatModes;
  /** Whether older lines may exist on the server. */
  hasOlder: boolean;
};

export type RoomAction =
  | { type: "joined"; history: ChatMessage[]; modes: ChatModes; rejoined: boolean }
  | { type: "received"; message: ChatMessage }
  | { type: "filled"; items: ChatMessage[] }
  | { type: "older"; items: ChatMessage[]; isAll: boolean }
  | { type: "restarted"; items: ChatMessage[] }
  | { type: "sending"; clientId: string; text: string }
  | { type: "sent"; clientId: string; message: ChatMessage }
  | { type: "failed"; clientId: string; code: string; retryAfterS: number | null }
  | { type: "discarded"; clientId: string }
  | { type: "deleted"; id: string }
  | { type: "cleared"; userId: string | null }
  | { type: "modes"; modes: ChatModes };

export const emptyRoom: Room = { lines: [], pending: [], modes: {}, hasOlder: true };

export function room(state: Room, action: RoomAction): Room {
  switch (action.type) {
    case "joined":
      return {
        ...state,
        ...settle(state, merge(state.lines, action.history), action.history),
        modes: action.modes,
        hasOlder: action.rejoined ? state.hasOlder : action.history.length > 0,
      };
    case "received":
      return { ...state, ...settle(state, merge(state.lines, [action.message]), [action.message]) };
    case "filled":
      return { ...state, ...settle(state, merge(state.lines, action.items), action.items) };
    case "older":
      return {
        ...state,
        lines: merge(state.lines, action.items, Number.POSITIVE_INFINITY),
        hasOlder: !action.isAll,
      };
    case "restarted":
      return { ...state, ...settle(state, merge([], action.items), action.items), hasOlder: true };
    case "sending":
      return {
        ...state,
        pending: [
          ...state.pending.filter((line) => line.clientId !== action.clientId),
          { clientId: action.clientId, text: action.text, state: "sending", code: null, retryAfterS: null },
        ],
      };
    case "sent":
      return {
        ...state,
        lines: merge(state.lines, [action.message]),
        pending: state.pending.filter((line) => line.clientId !== action.clientId),
      };
    case "failed":
      return {
        ...state,
        pending: state.pending.map((line) =>
          line.clientId === action.clientId
            ? { ...line, state: "failed", code: action.code, retryAfterS: action.retryAfterS }
            : line,
        ),
      };
    case "discarded":
      return { ...state, pending: state.pending.filter((line) => line.clientId !== action.clientId) };
    case "deleted":
      return { ...state, lines: strike(state.lines, (line) => line.id === action.id) };
    case "cleared":
      return {
        ...state,
        lines: strike(state.lines, (line) => action.userId === null || line.user.id === action.userId),
      };
    case "modes":
      return { ...state, modes: action.modes };
  }
}

/** Lines of both, each id once, in the order of their ids. A line known to be deleted stays deleted. */
export function merge(known: ChatMessage[], fresh: ChatMessage[], max: number = LINES_MAX): ChatMessage[] {
  if (fresh.length === 0) return known;
  const last = known.at(-1);
  const only = fresh[0];
  if (fresh.length === 1 && only && (!last || only.id > last.id)) {
    return trim([...known, only], max);
  }
  const byId = new Map(known.map((line) => [line.id, line]));
  for (const line of fresh) {
    const old = byId.get(line.id);
    byId.set(line.id, old?.deleted ? old : line);
  }
  const all = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return trim(all, max);
}

/** How many lines came after `id`. Older ones that were loaded above it do not count. */
export function countAfter(lines: ChatMessage[], id: string): number {
  const last = lines.findLastIndex((line) => line.id <= id);
  return lines.length - 1 - last;
}

function trim(lines: ChatMessage[], max: number): ChatMessage[] {
  return lines.length > max ? lines.slice(lines.length - max) : lines;
}

/** Own lines that turn out to be stored stop being pending: the answer may have been lost, not the line. */
function settle(state: Room, lines: ChatMessage[], fresh: ChatMessage[]): Pick<Room, "lines" | "pending"> {
  const stored = new Set(fresh.map((line) => line.client_id).filter((id) => id !== null));
  const pending = state.pending.some((line) => stored.has(line.clientId))
    ? state.pending.filter((line) => !stored.has(line.clientId))
    : state.pending;
  return { lines, pending };
}

function strike(lines: ChatMessage[], isMeant: (line: ChatMessage) => boolean): ChatMessage[] {
  return lines.map((line) => (isMeant(line) && !line.deleted ? { ...line, deleted: true, text: "" } : line));
}

export type FetchAfter = (after: string, limit: number) => Promise<ChatMessage[]>;

/**
 * Everything said after `lastId`, page by page. When more was missed than `pagesMax` pages hold, answers null: the
 * room starts anew from the newest lines instead of showing a hole.
 */
export async function fillGap(
  lastId: string,
  fetchAfter: FetchAfter,
  { pageSize = 100, pagesMax = 5 }: { pageSize?: number; pagesMax?: number } = {},
): Promise<ChatMessage[] | null> {
  const missed: ChatMessage[] = [];
  let after = lastId;
  for (let page = 0; page < pagesMax; page += 1) {
    const items = merge([], await fetchAfter(after, pageSize), Number.POSITIVE_INFINITY);
    missed.push(...items);
    const newest = items.at(-1);
    if (items.length < pageSize || !newest || newest.id <= after) return missed;
    after = newest.id;
  }
  return null;
}
