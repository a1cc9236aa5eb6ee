// What is known of one conversation, and what each answer and event makes of it. Nothing here asks anybody.
import type { RoomAttachment, RoomMessage, RoomReaction } from "@/api/types";
import { settled } from "./attach/attach";

export type Talk = {
  /** By id, each once. */
  items: RoomMessage[];
  hasOlder: boolean;
  /** The server's clock at the last answer: what changed before it is known. */
  now: string;
};

/** What waits to be stored, or was not. */
export type Draft = {
  client_id: string;
  text: string;
  reply_to?: RoomMessage | undefined;
  attachment?: RoomAttachment | undefined;
  error: unknown | null;
};

/** Adds messages, each once, in the order of their ids. What comes later is the truth. */
export function merged(old: RoomMessage[], fresh: RoomMessage[]): RoomMessage[] {
  const known = new Map(old.map((message) => [message.id, message]));
  for (const message of fresh) known.set(message.id, message);
  return [...known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Changes messages that are here. Others would stand alone above what is not loaded. */
export function changed(old: RoomMessage[], fresh: RoomMessage[]): RoomMessage[] {
  const first = old[0];
  return first
    ? merged(
        old,
        fresh.filter((message) => message.id >= first.id),
      )
    : old;
}

export function without(old: RoomMessage[], ids: string[]): RoomMessage[] {
  const gone = new Set(ids);
  return old
    .filter((message) => !gone.has(message.id))
    .map((message) =>
      message.reply_to && gone.has(message.reply_to.id)
        ? { ...message, reply_to: { id: message.reply_to.id, user: null, text: "", is_deleted: true } }
        : message,
    );
}

export function reacted(old: RoomMessage[], id: string, reactions: RoomReaction[]): RoomMessage[] {
  return old.map((message) => (message.id === id ? { ...message, reactions } : message));
}

/** What was read, and what was told while it was read: newer messages, and newer states of those that are there. */
export function withTold(read: RoomMessage[], told: RoomMessage[]): RoomMessage[] {
  const newest = read.at(-1)?.id ?? "";
  const known = new Map(read.map((message) => [message.id, message.changed_at ?? ""]));
  const isNews = ({ id, changed_at }: RoomMessage) => {
    const before = known.get(id);
    return before === undefined ? id > newest : (changed_at ?? "") > before;
  };
  return merged(read, told.filter(isNews));
}

export type Missed = {
  items: RoomMessage[];
  changes?: RoomMessage[];
  removed?: string[];
  attachments?: { message_id: string; attachment: RoomAttachment }[];
  is_gap?: boolean;
  now: string;
};

/** What a conversation is after an absence. Null: too much was missed, begin anew. */
export function caughtUp(talk: Talk, missed: Missed): Talk | null {
  if (missed.is_gap) return null;
  const said = merged(changed(talk.items, missed.changes ?? []), missed.items);
  const items = (missed.attachments ?? []).reduce(
    (all, { message_id, attachment }) => settled(all, message_id, attachment),
    said,
  );
  return { ...talk, items: without(items, missed.removed ?? []), now: missed.now };
}

/** Lines of one author within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

export type Placed = { message: RoomMessage; isNewDay: boolean; isFirst: boolean };

/** Where days begin, and where somebody else begins to speak. */
export function placed(items: RoomMessage[]): Placed[] {
  return items.map((message, at) => {
    const before = items[at - 1];
    const isNewDay =
      !before || new Date(before.sent_at).toDateString() !== new Date(message.sent_at).toDateString();
    const gap = before ? Date.parse(message.sent_at) - Date.parse(before.sent_at) : 0;
    const isFirst = isNewDay || before?.user.id !== message.user.id || gap > TOGETHER_MS;
    return { message, isNewDay, isFirst };
  });
}
