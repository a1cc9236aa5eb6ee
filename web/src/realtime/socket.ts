// The one Socket.IO connection of a tab: who we are, which rooms we sit in, and whether the line is up.
import { io, type Socket } from "socket.io-client";
import { create } from "zustand";
import { ApiError } from "@/api/errors";
import { currentToken, useSession } from "@/api/session";
import type {
  ChatMessage,
  ChatModes,
  ChatReaction,
  ChatStanding,
  HeldLine,
  IngestSample,
  ModAct,
  ModDeed,
  Notification,
  Presence,
  ReportCase,
  RoomAttachment,
  RoomMessage,
  RoomReaction,
  UnbanRequest,
} from "@/api/types";
import { viewerId } from "@/lib/ids";
import type { Arrival } from "./arrival";

const ACK_TIMEOUT_MS = 8_000;

type StreamEvent = { username: string; stream_id: string };

type ServerEvents = {
  "chat:message": (message: ChatMessage) => void;
  "chat:deleted": (event: { id: string; username?: string }) => void;
  "chat:edited": (event: { message: ChatMessage }) => void;
  "chat:reactions": (event: { id: string; username: string; reactions: ChatReaction[] }) => void;
  "chat:pinned": (event: { username: string; message: ChatMessage | null }) => void;
  "chat:closed": (event: { username: string }) => void;
  "chat:cleared": (event: { user_id?: string | null; username?: string }) => void;
  "chat:restored": (event: { username: string }) => void;
  "chat:denied": (event: { username: string; client_id: string }) => void;
  "chat:warned": (event: { username: string; reason: string }) => void;
  "chat:pardoned": (event: { username: string }) => void;
  "chat:emotes": (event: { username: string }) => void;
  "chat:modes": (modes: ChatModes & { username?: string }) => void;
  "chat:sanctioned": (event: { username: string; until: string | null; reason: string }) => void;
  "chat:office": (event: { username: string; is_moderator: boolean }) => void;
  "mod:action": (act: ModAct) => void;
  "mod:held": (line: HeldLine) => void;
  "mod:held-gone": (event: { id: string; username: string; by: string | null }) => void;
  "mod:report": (event: { username: string; report: ReportCase }) => void;
  "mod:report-gone": (event: { id: string; username: string; by: string }) => void;
  "mod:request": (event: { username: string; request: UnbanRequest }) => void;
  "mod:request-gone": (event: { id: string; username: string; by: string }) => void;
  "chat:request-answered": (event: { username: string; is_accepted: boolean; answer: string }) => void;
  viewers: (event: { username: string; count: number }) => void;
  "stream:online": (event: StreamEvent) => void;
  "stream:reconnecting": (event: StreamEvent & { until?: string | null }) => void;
  "stream:offline": (event: StreamEvent) => void;
  "vod:ready": (event: { username: string; vod_id: string }) => void;
  "friends:changed": (event: object) => void;
  "file:changed": (event: object) => void;
  payment: (event: { payment_id: string; status: string }) => void;
  "room:message": (message: RoomMessage) => void;
  "room:edited": (event: { message: RoomMessage }) => void;
  "room:deleted": (event: { room_id: string; id: string }) => void;
  "room:reactions": (event: { room_id: string; id: string; reactions: RoomReaction[] }) => void;
  "room:attachment": (event: {
    room_id: string;
    message_id: string | null;
    attachment: RoomAttachment;
  }) => void;
  "room:typing": (event: {
    room_id: string;
    user: { id: string; username: string; display_name: string };
  }) => void;
  "room:read": (event: { room_id: string; user_id: string; id: string }) => void;
  "room:changed": (event: { room_id?: string }) => void;
  "presence:changed": (event: { items: { user_id: string; presence: Presence | null }[] }) => void;
  notification: (notification: Notification) => void;
  "notification:read": (event: { ids?: string[]; all?: boolean; unread_count: number }) => void;
  "ingest:health": (second: IngestSample & { stream_id: string }) => void;
};

type Refusal = { ok: false; code: string; detail?: string; retry_after_ms?: number };
type Ack<T> = ({ ok: true } & T) | Refusal;

type ClientEvents = {
  "stream:join": (
    body: {
      username: string;
      stream_id?: string;
      last_id?: string;
      since?: string;
    } & Partial<Arrival>,
    ack: (
      answer: Ack<{
        viewers: number;
        history: ChatMessage[];
        modes: ChatModes;
        me: ChatStanding | null;
        is_history_missing?: boolean;
        pinned?: ChatMessage | null;
        /** The server's clock, to be given as `since` when the room is joined again. */
        now?: string;
        missed?: ChatMessage[];
        changes?: ChatMessage[];
        removed?: string[];
        attachments?: { message_id: string; attachment: RoomAttachment }[];
        is_gap?: boolean;
      }>,
    ) => void,
  ) => void;
  "stream:leave": (body: { username: string }, ack: (answer: Ack<object>) => void) => void;
  "chat:send": (
    body: { username: string; text: string; client_id: string; reply_to?: string },
    ack: (
      answer: Ack<{
        message?: ChatMessage;
        held?: true;
        command?: { name: string; detail: string };
        /** What a command did that may be taken back. */
        act_id?: string;
        undo_until?: string | null;
      }>,
    ) => void,
  ) => void;
  "chat:history": (
    body: {
      username?: string;
      vod_id?: string;
      before?: string | number;
      after?: string | number;
      limit: number;
    },
    ack: (answer: Ack<{ items: ChatMessage[] }>) => void,
  ) => void;
  "auth:renew": (body: { token: string }, ack: (answer: Ack<object>) => void) => void;
  "chat:edit": (
    body: { id: string; text: string },
    ack: (answer: Ack<{ message: ChatMessage }>) => void,
  ) => void;
  "chat:react": (
    body: { id: string; emoji: string; on: boolean },
    ack: (answer: Ack<{ emoji: string; reactions: ChatReaction[] }>) => void,
  ) => void;
  "chat:pin": (body: { username: string; id: string | null }, ack: (answer: Ack<object>) => void) => void;
  "chat:thread": (body: { id: string }, ack: (answer: Ack<{ items: ChatMessage[] }>) => void) => void;
  "chat:warning-read": (body: { username: string }, ack: (answer: Ack<object>) => void) => void;
  "mod:join": (body: { username: string }, ack: (answer: Ack<object>) => void) => void;
  "mod:leave": (body: { username: string }, ack: (answer: Ack<object>) => void) => void;
  "mod:act": (
    body: { username: string; reason?: string } & ModDeed,
    // What changed nothing has no act.
    ack: (answer: Ack<{ act_id?: string; undo_until?: string; act?: ModAct }>) => void,
  ) => void;
  "mod:undo": (body: { username: string; act_id: string }, ack: (answer: Ack<object>) => void) => void;
  "chat:delete": (body: { id: string }, ack: (answer: Ack<object>) => void) => void;
  "room:send": (
    body: { room_id: string; text: string; client_id: string; reply_to?: string; attachment_id?: string },
    ack: (answer: Ack<{ message: RoomMessage }>) => void,
  ) => void;
  "room:history": (
    body: { room_id: string; before?: string; after?: string; since?: string; limit: number },
    ack: (
      answer: Ack<{
        items: RoomMessage[];
        now: string;
        changes?: RoomMessage[];
        removed?: string[];
        is_gap?: boolean;
      }>,
    ) => void,
  ) => void;
  "room:search": (
    body: { q: string; room_id?: string; before?: string; limit: number },
    ack: (answer: Ack<{ items: RoomMessage[]; next: string | null }>) => void,
  ) => void;
  "room:edit": (
    body: { id: string; text: string },
    ack: (answer: Ack<{ message: RoomMessage }>) => void,
  ) => void;
  "room:delete": (body: { id: string }, ack: (answer: Ack<object>) => void) => void;
  "room:react": (
    body: { id: string; emoji: string; on: boolean },
    ack: (answer: Ack<{ reactions: RoomReaction[] }>) => void,
  ) => void;
  "room:typing": (body: { room_id: string }, ack: (answer: Ack<object>) => void) => void;
  "presence:watch": (
    body: { user_ids: string[] },
    ack: (answer: Ack<{ items: { user_id: string; presence: Presence | null }[] }>) => void,
  ) => void;
  "room:read": (body: { room_id: string; id: string }, ack: (answer: Ack<object>) => void) => void;
};

export type RillSocket = Socket<ServerEvents, ClientEvents>;
export type LineState = "idle" | "connecting" | "up" | "down";

export const useLine = create<{ state: LineState; everUp: boolean }>(() => ({
  state: "idle",
  everUp: false,
}));

let socket: RillSocket | null = null;

export function getSocket(): RillSocket {
  if (socket) return socket;
  socket = io({
    path: "/socket.io/",
    // WebSocket first; polling remains for networks that forbid it.
    transports: ["websocket", "polling"],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 10_000,
    randomizationFactor: 0.5,
    timeout: 10_000,
    // Asked for at every attempt, so that a new token is used after a reconnect.
    auth: (give) => {
      const token = currentToken();
      give(token ? { token, viewer_id: viewerId() } : { viewer_id: viewerId() });
    },
  });
  useLine.setState({ state: "connecting" });
  socket.on("connect", () => useLine.setState({ state: "up", everUp: true }));
  socket.on("disconnect", (reason) => {
    useLine.setState({ state: "down" });
    // The server hung up on purpose (a token that ran out, a restart): socket.io leaves the retry to us.
    if (reason === "io server disconnect") setTimeout(() => socket?.connect(), 1_000 + Math.random() * 2_000);
  });
  socket.on("connect_error", () => {
    useLine.setState({ state: "down" });
    // A refusal by the server's own words does not retry by itself either.
    if (socket && !socket.active) setTimeout(() => socket?.connect(), 3_000 + Math.random() * 4_000);
  });
  return socket;
}

useSession.subscribe((now, before) => {
  if (!socket) return;
  if (now.user?.id !== before.user?.id) {
    // Signing in or out changes who the socket speaks for.
    socket.disconnect();
    socket.connect();
  } else if (now.token && now.token.value !== before.token?.value && socket.connected) {
    // The same person with a newer token: the server wants to know before the old one ends.
    void ask("auth:renew", { token: now.token.value }).catch(() => undefined);
  }
});

/** Emits with an acknowledgement; a refusal or silence is thrown as an ApiError. */
export async function ask<E extends keyof ClientEvents>(
  event: E,
  body: Parameters<ClientEvents[E]>[0],
): Promise<Extract<Parameters<Parameters<ClientEvents[E]>[1]>[0], { ok: true }>> {
  const line = getSocket();
  if (!line.connected) throw new ApiError({ status: 0, code: "network" });
  let answer: Ack<object>;
  try {
    // The event map is checked by this function's own signature.
    answer = await (line.timeout(ACK_TIMEOUT_MS) as unknown as Asker).emitWithAck(event, body);
  } catch {
    throw new ApiError({ status: 0, code: "network" });
  }
  if (!answer.ok) {
    throw new ApiError({
      status: 400,
      code: answer.code,
      detail: answer.detail ?? null,
      retryAfterS: answer.retry_after_ms ? answer.retry_after_ms / 1000 : null,
    });
  }
  return answer as Extract<Parameters<Parameters<ClientEvents[E]>[1]>[0], { ok: true }>;
}

type Asker = { emitWithAck: (event: string, body: unknown) => Promise<Ack<object>> };
