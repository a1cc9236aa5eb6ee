// What a chat room shows, as a pure reducer: stored lines in order, own lines on their way below them.
import type { ChatMessage, ChatModes, ChatReaction } from "@/api/types";

/** More lines than this are not kept in memory. */
export const LINES_MAX = 10_000;

export type Pending = {
  clientId: string;
  text: string;
  replyTo: string | null;
  /** Held: it waits for a moderator. */
  state: "sending" | "held" | "failed";
  code: string | null;
  retryAfterS: number | null;
};

export type Room = {
  lines: ChatMessage[];
  pending: Pending[];
  modes: ChatModes;
  pinned: ChatMessage | null;
  /** The server's clock when the room was last in step with it. */
  since: string | null;
  /** Whether older lines may exist on the server. */
  hasOlder: boolean;
};

export type RoomAction =
  | {
      type: "joined";
      history: ChatMessage[];
      modes: ChatModes;
      rejoined: boolean;
      pinned?: ChatMessage | null;
      now?: string | null;
    }
  | { type: "received"; messages: ChatMessage[] }
  | { type: "missed"; missed: ChatMessage[]; changes: ChatMessage[]; removed: string[] }
  | { type: "edited"; message: ChatMessage }
  | { type: "reactions"; id: string; reactions: ChatReaction[]; hasMine: boolean }
  | { type: "pinned"; message: ChatMessage | null }
  | { type: "older"; items: ChatMessage[]; isAll: boolean }
  | { type: "restarted"; items: ChatMessage[] }
  | { type: "sending"; clientId: string; text: string; replyTo: string | null }
  | { type: "sent"; clientId: string; message: ChatMessage }
  | { type: "failed"; clientId: string; code: string; retryAfterS: number | null }
  | { type: "held"; clientId: string }
  | { type: "discarded"; clientId: string }
  | { type: "deleted"; id: string }
  | { type: "cleared"; userId: string | null }
  | { type: "restored"; items: ChatMessage[] }
  | { type: "modes"; modes: ChatModes };

export const emptyRoom: Room = {
  lines: [],
  pending: [],
  modes: {},
  pinned: null,
  since: null,
  hasOlder: true,
};

export function room(state: Room, action: RoomAction): Room {
  switch (action.type) {
    case "joined":
      return {
        ...state,
        ...settle(state, merge(state.lines, action.history), action.history),
        modes: action.modes,
        pinned: action.pinned ?? null,
        since: action.now ?? state.since,
        hasOlder: action.rejoined ? state.hasOlder : action.history.length > 0,
      };
    case "received":
      return { ...state, ...settle(state, merge(state.lines, action.messages), action.messages) };
    case "missed": {
      const gone = new Set(action.removed);
      const lines = merge(merge(revive(state.lines, action.changes), action.changes), action.missed);
      return {
        ...state,
        ...settle(state, gone.size > 0 ? strike(lines, (line) => gone.has(line.id)) : lines, action.missed),
      };
    }
    case "edited": {
      const { message } = action;
      return {
        ...state,
        lines: change(state.lines, message.id, (old) => ({
          ...message,
          reactions: keepMine(old.reactions, message.reactions),
        })).map((line) =>
          line.reply_to?.id === message.id && !line.reply_to.is_deleted
            ? { ...line, reply_to: { ...line.reply_to, text: excerpt(message.text) } }
            : line,
        ),
        pinned: state.pinned?.id === message.id ? message : state.pinned,
      };
    }
    case "reactions":
      return {
        ...state,
        lines: change(state.lines, action.id, (old) => ({
          ...old,
          reactions: action.hasMine ? action.reactions : keepMine(old.reactions, action.reactions),
        })),
      };
    case "pinned":
      return { ...state, pinned: action.message };
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
          {
            clientId: action.clientId,
            text: action.text,
            replyTo: action.replyTo,
            state: "sending",
            code: null,
            retryAfterS: null,
          },
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
    case "held":
      return {
        ...state,
        pending: state.pending.map((line) =>
          line.clientId === action.clientId
            ? { ...line, state: "held", code: null, retryAfterS: null }
            : line,
        ),
      };
    case "discarded":
      return { ...state, pending: state.pending.filter((line) => line.clientId !== action.clientId) };
    case "deleted":
      return {
        ...state,
        lines: strike(state.lines, (line) => line.id === action.id),
        pinned: state.pinned?.id === action.id ? null : state.pinned,
      };
    case "cleared":
      return {
        ...state,
        lines: strike(state.lines, (line) => action.userId === null || line.user.id === action.userId),
      };
    case "restored": {
      // What was struck and is on the newest page again was not meant to be.
      const back = new Set(action.items.map((line) => line.id));
      const kept = state.lines.filter((line) => !back.has(line.id));
      return { ...state, lines: merge(kept, action.items) };
    }
    case "modes":
      return { ...state, modes: action.modes };
  }
}

/** Lines of both, each id once, in the order of their ids. A line known to be deleted stays deleted. */
export function merge(known: ChatMessage[], fresh: ChatMessage[], max: number = LINES_MAX): ChatMessage[] {
  if (fresh.length === 0) return known;
  const last = known.at(-1);
  // Almost always: what comes is newer than what is there.
  if (isAscending(fresh) && (!last || (fresh[0] as ChatMessage).id > last.id)) {
    return trim(known.concat(fresh), max);
  }
  const byId = new Map(known.map((line) => [line.id, line]));
  for (const line of fresh) {
    const old = byId.get(line.id);
    byId.set(line.id, old?.deleted ? old : line);
  }
  const all = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return trim(all, max);
}

/** Leaves out struck lines that changed since: they were given back. */
function revive(lines: ChatMessage[], changes: ChatMessage[]): ChatMessage[] {
  const changed = new Map(changes.map((line) => [line.id, line.changed_at ?? ""]));
  return lines.filter((line) => !line.deleted || (changed.get(line.id) ?? "") <= (line.changed_at ?? ""));
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

function isAscending(lines: ChatMessage[]): boolean {
  return lines.every((line, at) => at === 0 || line.id > (lines[at - 1] as ChatMessage).id);
}

/** Hides lines, and what other lines show of them. */
function strike(lines: ChatMessage[], isMeant: (line: ChatMessage) => boolean): ChatMessage[] {
  const gone = new Set(lines.filter(isMeant).map((line) => line.id));
  return lines.map((line) => {
    const isGone = gone.has(line.id) && !line.deleted;
    const isAnswerToGone = line.reply_to && gone.has(line.reply_to.id) && !line.reply_to.is_deleted;
    if (!isGone && !isAnswerToGone) return line;
    return {
      ...line,
      ...(isGone ? { deleted: true, text: "" } : {}),
      ...(isAnswerToGone && line.reply_to
        ? { reply_to: { ...line.reply_to, user: null, text: "", is_deleted: true } }
        : {}),
    };
  });
}

/** One line changed; the others keep their identity, so that they are not drawn anew. */
function change(lines: ChatMessage[], id: string, to: (line: ChatMessage) => ChatMessage): ChatMessage[] {
  const at = lines.findLastIndex((line) => line.id === id);
  const old = lines[at];
  if (!old || old.deleted) return lines;
  return lines.with(at, to(old));
}

/** What a room is told does not say which reactions are one's own. */
function keepMine(old: ChatReaction[] = [], fresh: ChatReaction[] = []): ChatReaction[] {
  const mine = new Set(old.filter((one) => one.is_mine).map((one) => one.emoji));
  return fresh.map((one) => (mine.has(one.emoji) ? { ...one, is_mine: true } : one));
}

const EXCERPT_MAX = 100;
function excerpt(text: string): string {
  const points = Array.from(text);
  return points.length > EXCERPT_MAX
    ? `${points
        .slice(0, EXCERPT_MAX - 1)
        .join("")
        .trimEnd()}…`
    : text;
}
