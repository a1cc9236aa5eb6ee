// Joins a channel's room, keeps its lines without gaps through reconnects, and sends.
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useReducer, useRef, useState } from "react";
import { ApiError } from "@/api/errors";
import { channel as channelQuery, patchChannel, stream as streamQuery } from "@/api/queries";
import type { ChatReaction, ChatStanding } from "@/api/types";
import { channelEmotes } from "@/features/emotes/emotes";
import { uuid } from "@/lib/ids";
import { arrival } from "@/realtime/arrival";
import { ask, getSocket } from "@/realtime/socket";
import { emptyRoom, type Room, room } from "./room";

const OLDER_PAGE = 50;
/** A line is drawn with the next frame; of a flood ten times a second what has come, which is as fast as anybody reads. */
const FLUSH_EVERY_MS = 100;
/** A page nobody sees draws four times a second. */
const HIDDEN_FLUSH_MS = 250;
const JOIN_RETRY_MS = 3_000;
/** A room that is not for this viewer now may be again when the stream is over. */
const CLOSED_RETRY_MS = 20_000;

/** What a command did, and until when it may be taken back. */
export type CommandDone = { name: string; detail: string; undo: { actId: string; until: string } | null };

export type ChatRoom = Room & {
  isJoined: boolean;
  viewers: number | null;
  /** What the last command did. */
  command: CommandDone | null;
  dismissCommand: () => void;
  send: (text: string, replyTo?: string) => void;
  edit: (id: string, text: string) => Promise<void>;
  react: (id: string, emoji: string, on: boolean) => Promise<void>;
  pin: (id: string | null) => Promise<void>;
  retry: (clientId: string) => void;
  discard: (clientId: string) => void;
  remove: (id: string) => Promise<void>;
  /** Whether the viewer keeps order here. */
  isModerator: boolean;
  /** What keeps the viewer from writing here. */
  sanction: ChatStanding["sanction"];
  /** The reason of a moderator's warning that has not been read. */
  warning: string | null;
  readWarning: () => void;
  loadOlder: () => Promise<void>;
};

/** `link` is the id of an unlisted stream, for whoever came by its link. */
export function useChat(username: string, link?: string): ChatRoom {
  const client = useQueryClient();
  const [state, dispatch] = useReducer(room, emptyRoom);
  const [isJoined, setJoined] = useState(false);
  const [viewers, setViewers] = useState<number | null>(null);
  const [warning, setWarning] = useState<string | null>(null);
  const [isModerator, setModerator] = useState(false);
  const [sanction, setSanction] = useState<ChatRoom["sanction"]>(null);
  const latest = useRef(state);
  latest.current = state;
  const [command, setCommand] = useState<ChatRoom["command"]>(null);

  useEffect(() => {
    const socket = getSocket();
    let isGone = false;
    let retryTimer: ReturnType<typeof setTimeout> | undefined;

    // A busy room says more in a frame than can be drawn one by one.
    let waiting: Room["lines"] = [];
    let frame = 0;
    let flushedAt = Number.NEGATIVE_INFINITY;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      frame = 0;
      timer = undefined;
      if (waiting.length === 0) return;
      flushedAt = performance.now();
      const messages = waiting;
      waiting = [];
      dispatch({ type: "received", messages });
    };

    const join = async () => {
      try {
        flush();
        const { lines, since } = latest.current;
        const lastId = lines.at(-1)?.id;
        const answer = await ask("stream:join", {
          username,
          ...arrival(username),
          ...(link ? { stream_id: link } : {}),
          ...(lastId ? { last_id: lastId } : {}),
          ...(lastId && since ? { since } : {}),
        });
        if (isGone) return;
        if (lastId && answer.is_gap) {
          dispatch({ type: "restarted", items: answer.history });
        } else if (lastId) {
          const { missed = [], changes = [], removed = [] } = answer;
          dispatch({ type: "missed", missed, changes, removed });
        }
        dispatch({
          type: "joined",
          history: answer.history,
          modes: answer.modes ?? {},
          rejoined: lastId !== undefined,
          pinned: answer.pinned ?? null,
          now: answer.now ?? null,
        });
        setWarning(answer.me?.warning?.reason ?? null);
        setSanction(answer.me?.sanction ?? null);
        setModerator(answer.me?.is_moderator ?? false);
        setViewers(answer.viewers);
        setJoined(true);
        // The room is open but its past could not be read: ask again.
        if (answer.is_history_missing) retryTimer = setTimeout(join, JOIN_RETRY_MS);
      } catch (error) {
        // Without a connection the next `connect` joins; a channel that is not there never will be.
        if (isGone || !socket.connected || ApiError.of(error).code.endsWith("not-found")) return;
        const isClosed = ApiError.of(error).code === "chat.closed";
        retryTimer = setTimeout(join, isClosed ? CLOSED_RETRY_MS : JOIN_RETRY_MS);
      }
    };
    const isHere = (name: string | undefined) => !name || name.toLowerCase() === username.toLowerCase();
    const on = {
      "chat:message": (message: Parameters<typeof onMessage>[0]) => onMessage(message),
      "chat:deleted": (event: { id: string }) => {
        flush();
        dispatch({ type: "deleted", id: event.id });
      },
      "chat:edited": ({ message }: { message: Room["lines"][number] }) => {
        flush();
        if (isHere(message.username)) dispatch({ type: "edited", message });
      },
      "chat:reactions": (event: { id: string; reactions: ChatReaction[] }) => {
        flush();
        dispatch({ type: "reactions", id: event.id, reactions: event.reactions, hasMine: false });
      },
      "chat:pinned": (event: { username: string; message: Room["pinned"] }) => {
        if (isHere(event.username)) dispatch({ type: "pinned", message: event.message });
      },
      "chat:cleared": (event: { user_id?: string | null; username?: string }) => {
        flush();
        if (isHere(event.username)) dispatch({ type: "cleared", userId: event.user_id ?? null });
      },
      "chat:restored": (event: { username: string }) => {
        if (isHere(event.username)) void restore();
      },
      "chat:denied": (event: { username: string; client_id: string }) => {
        if (!isHere(event.username)) return;
        dispatch({ type: "failed", clientId: event.client_id, code: "chat.denied", retryAfterS: null });
      },
      "chat:warned": (event: { username: string; reason: string }) => {
        if (isHere(event.username)) setWarning(event.reason);
      },
      "chat:sanctioned": (event: { username: string; until: string | null; reason: string }) => {
        if (isHere(event.username)) setSanction({ until: event.until, reason: event.reason });
      },
      "chat:office": (event: { username: string; is_moderator: boolean }) => {
        if (isHere(event.username)) setModerator(event.is_moderator);
      },
      "chat:request-answered": (event: { username: string }) => {
        if (isHere(event.username)) void client.invalidateQueries({ queryKey: ["plea", username] });
      },
      "chat:pardoned": (event: { username: string }) => {
        if (!isHere(event.username)) return;
        setWarning(null);
        setSanction(null);
      },
      "chat:modes": ({ username: name, ...modes }: Room["modes"] & { username?: string }) => {
        if (isHere(name)) dispatch({ type: "modes", modes });
      },
      "chat:emotes": (event: { username: string }) => {
        if (isHere(event.username)) void client.invalidateQueries(channelEmotes(username));
      },
      viewers: (event: { username: string; count: number }) => {
        if (isHere(event.username)) setViewers(event.count);
      },
    } as const;
    function onMessage(message: Room["lines"][number]) {
      if (!isHere(message.username)) return;
      waiting.push(message);
      const wait = document.hidden ? HIDDEN_FLUSH_MS : flushedAt + FLUSH_EVERY_MS - performance.now();
      if (wait > 0) timer ??= setTimeout(flush, wait);
      else if (timer === undefined) frame ||= requestAnimationFrame(flush);
    }
    async function restore() {
      try {
        const { items } = await ask("chat:history", { username, limit: 100 });
        if (!isGone) dispatch({ type: "restored", items });
      } catch {
        // They are there again at the next visit.
      }
    }
    const onClosed = (event: { username: string }) => {
      if (!isHere(event.username)) return;
      setJoined(false);
      void client.invalidateQueries(channelQuery(username));
      clearTimeout(retryTimer);
      retryTimer = setTimeout(join, CLOSED_RETRY_MS);
    };
    const onStream = (event: { username: string }) => {
      if (!isHere(event.username)) return;
      void client.invalidateQueries(channelQuery(username));
      if (link) void client.invalidateQueries(streamQuery(link));
    };
    const onReconnecting = (event: { username: string; until?: string | null }) => {
      if (!isHere(event.username)) return;
      patchChannel(client, username, (old) =>
        old.live
          ? {
              ...old,
              live: {
                ...old.live,
                status: "reconnecting",
                reconnect_until: event.until ?? old.live.reconnect_until,
              },
            }
          : old,
      );
      onStream(event);
    };
    const onRecordings = (event: { username: string }) => {
      if (isHere(event.username)) void client.invalidateQueries({ queryKey: ["vods", "list"] });
    };
    const onDisconnect = () => setJoined(false);

    for (const [name, handler] of Object.entries(on)) socket.on(name as "viewers", handler as never);
    socket.on("stream:online", onStream);
    socket.on("stream:offline", onStream);
    socket.on("stream:reconnecting", onReconnecting);
    socket.on("stream:offline", onRecordings);
    socket.on("vod:ready", onRecordings);
    socket.on("chat:closed", onClosed);
    socket.on("connect", join);
    socket.on("disconnect", onDisconnect);
    if (socket.connected) void join();

    return () => {
      isGone = true;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      clearTimeout(retryTimer);
      for (const [name, handler] of Object.entries(on)) socket.off(name as "viewers", handler as never);
      socket.off("stream:online", onStream);
      socket.off("stream:offline", onStream);
      socket.off("stream:reconnecting", onReconnecting);
      socket.off("stream:offline", onRecordings);
      socket.off("vod:ready", onRecordings);
      socket.off("chat:closed", onClosed);
      socket.off("connect", join);
      socket.off("disconnect", onDisconnect);
      if (socket.connected) socket.emit("stream:leave", { username }, () => undefined);
    };
  }, [username, client, link]);

  const deliver = useCallback(
    async (clientId: string, text: string, replyTo: string | null) => {
      dispatch({ type: "sending", clientId, text, replyTo });
      try {
        const body = { username, text, client_id: clientId, ...(replyTo ? { reply_to: replyTo } : {}) };
        const done = await ask("chat:send", body);
        const { message, command, held, act_id: actId, undo_until: until } = done;
        if (message) dispatch({ type: "sent", clientId, message });
        else if (held) dispatch({ type: "held", clientId });
        else dispatch({ type: "discarded", clientId });
        setCommand(command ? { ...command, undo: actId && until ? { actId, until } : null } : null);
      } catch (error) {
        const { code, retryAfterS } = ApiError.of(error);
        dispatch({ type: "failed", clientId, code, retryAfterS });
      }
    },
    [username],
  );

  const send = useCallback(
    (text: string, replyTo?: string) => void deliver(uuid(), text, replyTo ?? null),
    [deliver],
  );
  const edit = useCallback(async (id: string, text: string) => {
    const { message } = await ask("chat:edit", { id, text });
    dispatch({ type: "edited", message });
  }, []);
  const react = useCallback(async (id: string, emoji: string, on: boolean) => {
    const { reactions } = await ask("chat:react", { id, emoji, on });
    dispatch({ type: "reactions", id, reactions, hasMine: true });
  }, []);
  const pin = useCallback(
    async (id: string | null) => void (await ask("chat:pin", { username, id })),
    [username],
  );
  const retry = useCallback(
    (clientId: string) => {
      const line = latest.current.pending.find((pending) => pending.clientId === clientId);
      // The same client id: a line that was stored after all is not said twice.
      if (line) void deliver(clientId, line.text, line.replyTo);
    },
    [deliver],
  );
  const discard = useCallback((clientId: string) => dispatch({ type: "discarded", clientId }), []);
  const remove = useCallback(async (id: string) => {
    await ask("chat:delete", { id });
    dispatch({ type: "deleted", id });
  }, []);

  const readWarning = useCallback(() => {
    const acknowledge = async () => {
      await ask("chat:warning-read", { username });
      setWarning(null);
    };
    // Without an answer it still stands, and the button with it.
    acknowledge().catch(() => undefined);
  }, [username]);

  const isLoadingOlder = useRef(false);
  const loadOlder = useCallback(async () => {
    const first = latest.current.lines[0];
    if (!first || !latest.current.hasOlder || isLoadingOlder.current) return;
    isLoadingOlder.current = true;
    try {
      const { items } = await ask("chat:history", { username, before: first.id, limit: OLDER_PAGE });
      dispatch({ type: "older", items, isAll: items.length < OLDER_PAGE });
    } catch {
      // Scrolling up again asks again.
    } finally {
      isLoadingOlder.current = false;
    }
  }, [username]);

  const dismissCommand = useCallback(() => setCommand(null), []);

  return {
    ...state,
    isJoined,
    viewers,
    command,
    dismissCommand,
    send,
    edit,
    react,
    pin,
    retry,
    discard,
    remove,
    warning,
    readWarning,
    isModerator,
    sanction,
    loadOlder,
  };
}
