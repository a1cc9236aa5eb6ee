// One open conversation: its messages, without a gap after every loss of the line, and what is said and done in it.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import type { RoomAttachment, RoomMessage } from "@/api/types";
import { uuid } from "@/lib/ids";
import { ask, getSocket, useLine } from "@/realtime/socket";
import { settled } from "./attach/attach";
import { caughtUp, changed, type Draft, merged, reacted, type Talk, without, withTold } from "./talk";

const PAGE = 50;
const MISSED_PAGE = 100;
/** More pages than this were missed: begin anew. */
const MISSED_PAGES_MAX = 5;
/** The server tells the others this often that somebody types, and what was told holds for this long. */
const TYPING_EVERY_MS = 3_000;
const TYPING_FOR_MS = 5_000;

/** What is to be said; under the name it had before, if it is said again. */
export type Saying = Pick<Draft, "text" | "reply_to" | "attachment"> & { client_id?: string };

const keyOf = (id: string) => ["talk", id] as const;

async function latest(id: string): Promise<Talk> {
  const { items, now } = await ask("room:history", { room_id: id, limit: PAGE });
  return { items, now, hasOlder: items.length === PAGE };
}

/** What a conversation is now, from what it was. */
async function missed(id: string, known: Talk): Promise<Talk> {
  let talk = known;
  for (let pages = 0; pages < MISSED_PAGES_MAX; pages++) {
    const last = talk.items.at(-1);
    if (!last) break;
    // What changed is told with the first page; the others only bring what was said.
    const since = pages === 0 ? { since: talk.now } : {};
    const answer = await ask("room:history", {
      room_id: id,
      after: last.id,
      limit: MISSED_PAGE,
      ...since,
    });
    const next = caughtUp(talk, pages === 0 ? answer : { ...answer, now: talk.now });
    if (!next) break;
    talk = next;
    if (answer.items.length < MISSED_PAGE) return talk;
  }
  return latest(id);
}

export function useTalk(id: string, me: string) {
  const client = useQueryClient();
  const isUp = useLine((line) => line.state === "up");
  /** What was told before anything was read. */
  const early = useRef<RoomMessage[]>([]);
  const talk = useQuery({
    queryKey: keyOf(id),
    queryFn: async (): Promise<Talk> => {
      const known = client.getQueryData<Talk>(keyOf(id));
      const found = known ? await missed(id, known) : await latest(id);
      // What was told meanwhile is not lost.
      const told = client.getQueryData<Talk>(keyOf(id))?.items ?? early.current.splice(0);
      return { ...found, items: withTold(found.items, told) };
    },
    enabled: isUp,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const [typing, setTyping] = useState<Record<string, string>>({});
  const typedAt = useRef(0);

  const change = useCallback(
    (next: (items: RoomMessage[]) => RoomMessage[]) =>
      client.setQueryData(keyOf(id), (old: Talk | undefined) =>
        old ? { ...old, items: next(old.items) } : old,
      ),
    [client, id],
  );
  const drop = useCallback(
    (client_id: string) => setDrafts((old) => old.filter((draft) => draft.client_id !== client_id)),
    [],
  );

  useEffect(() => {
    const socket = getSocket();
    const timers = new Map<string, ReturnType<typeof setTimeout>>();
    const quiet = (user: string) =>
      setTyping((old) => Object.fromEntries(Object.entries(old).filter(([key]) => key !== user)));
    const said = (message: RoomMessage) => {
      if (message.room_id !== id) return;
      if (client.getQueryData(keyOf(id))) change((old) => merged(old, [message]));
      else early.current.push(message);
      if (message.user.id === me) drop(message.client_id);
      else quiet(message.user.id);
    };
    const edited = ({ message }: { message: RoomMessage }) => {
      if (message.room_id === id) change((old) => changed(old, [message]));
    };
    const deleted = (event: { room_id: string; id: string }) => {
      if (event.room_id === id) change((old) => without(old, [event.id]));
    };
    const answered = (event: { room_id: string; id: string; reactions: RoomMessage["reactions"] }) => {
      if (event.room_id === id) change((old) => reacted(old, event.id, event.reactions ?? []));
    };
    const checked = (event: { room_id: string; message_id: string | null; attachment: RoomAttachment }) => {
      if (event.room_id === id) change((old) => settled(old, event.message_id, event.attachment));
    };
    const types = (event: { room_id: string; user: { id: string; display_name: string } }) => {
      if (event.room_id !== id) return;
      const { user } = event;
      setTyping((old) => ({ ...old, [user.id]: user.display_name }));
      clearTimeout(timers.get(user.id));
      timers.set(
        user.id,
        setTimeout(() => quiet(user.id), TYPING_FOR_MS),
      );
    };
    // A node that could not hear the others for a while says so.
    const recall = (event: { room_id?: string }) => {
      if (!event.room_id) void client.invalidateQueries({ queryKey: keyOf(id) });
    };
    socket.on("room:message", said);
    socket.on("room:edited", edited);
    socket.on("room:deleted", deleted);
    socket.on("room:reactions", answered);
    socket.on("room:attachment", checked);
    socket.on("room:typing", types);
    socket.on("room:changed", recall);
    return () => {
      for (const timer of timers.values()) clearTimeout(timer);
      socket.off("room:message", said);
      socket.off("room:edited", edited);
      socket.off("room:deleted", deleted);
      socket.off("room:reactions", answered);
      socket.off("room:attachment", checked);
      socket.off("room:typing", types);
      socket.off("room:changed", recall);
    };
  }, [client, id, me, change, drop]);

  // What was said before this page listened, or while the line was down.
  useEffect(() => {
    if (isUp && client.getQueryData(keyOf(id))) void client.invalidateQueries({ queryKey: keyOf(id) });
  }, [client, id, isUp]);

  const send = async ({ text, reply_to, attachment, client_id = uuid() }: Saying) => {
    const draft = { client_id, text, reply_to, attachment, error: null };
    setDrafts((old) => [...old.filter((one) => one.client_id !== client_id), draft]);
    try {
      const { message } = await ask("room:send", {
        room_id: id,
        text,
        client_id,
        ...(reply_to ? { reply_to: reply_to.id } : {}),
        ...(attachment ? { attachment_id: attachment.id } : {}),
      });
      change((old) => merged(old, [message]));
      drop(client_id);
    } catch (error) {
      setDrafts((old) => old.map((one) => (one.client_id === client_id ? { ...one, error } : one)));
    }
  };

  return {
    talk,
    drafts,
    typing: Object.values(typing),
    send,
    forget: drop,
    edit: async (message: string, text: string) => {
      const answer = await ask("room:edit", { id: message, text });
      change((old) => changed(old, [answer.message]));
    },
    remove: async (message: string) => {
      await ask("room:delete", { id: message });
      change((old) => without(old, [message]));
    },
    react: async (message: string, emoji: string, on: boolean) => {
      const answer = await ask("room:react", { id: message, emoji, on });
      change((old) => reacted(old, message, answer.reactions));
    },
    older: async () => {
      const first = talk.data?.items[0];
      if (!first) return;
      const { items } = await ask("room:history", { room_id: id, before: first.id, limit: PAGE });
      client.setQueryData(keyOf(id), (old: Talk | undefined) =>
        old ? { ...old, items: merged(items, old.items), hasOlder: items.length === PAGE } : old,
      );
    },
    typed: () => {
      const now = Date.now();
      if (now - typedAt.current < TYPING_EVERY_MS) return;
      typedAt.current = now;
      void ask("room:typing", { room_id: id }).catch(() => undefined);
    },
  };
}
