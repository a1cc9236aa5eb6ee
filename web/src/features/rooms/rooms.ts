// What the pages ask about rooms and do to them. What is said in one is in useTalk.ts.
import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import { useSession } from "@/api/session";
import type { Room, RoomPage, RoomRole } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { getSocket } from "@/realtime/socket";
import { toast } from "@/ui/toast";

/** Every key of this feature begins with it: one event makes all of them stale. */
export const ROOMS = ["rooms"] as const;
const PAGE = 30;
/** Many events at once are one change. */
const SETTLE_MS = 250;

export const roomList = (archived: boolean) =>
  infiniteQueryOptions({
    queryKey: [...ROOMS, "list", archived],
    queryFn: ({ pageParam, signal }) => {
      const query = { archived, limit: PAGE, cursor: pageParam ?? undefined };
      return unwrap(api.GET("/api/v1/rooms", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page: Pick<RoomPage, "next_cursor">) => page.next_cursor ?? null,
  });

export const roomOf = (id: string) =>
  queryOptions({
    queryKey: [...ROOMS, "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/rooms/{id}", { params: { path: { id } }, signal })),
    retry: false,
  });

export const roomMembers = (id: string) =>
  queryOptions({
    queryKey: [...ROOMS, "members", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/rooms/{id}/members", { params: { path: { id } }, signal })),
  });

export const roomInvites = (id: string) =>
  queryOptions({
    queryKey: [...ROOMS, "invites", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/rooms/{id}/invites", { params: { path: { id } }, signal })),
  });

export const myInvites = () =>
  queryOptions({
    queryKey: [...ROOMS, "mine"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/room-invites", { signal })),
    staleTime: 60_000,
  });

const unreadCount = () =>
  queryOptions({
    queryKey: [...ROOMS, "unread"],
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/v1/rooms", { params: { query: { limit: 1 } }, signal }))).unread_count,
    staleTime: 60_000,
  });

/** Rooms with something new in them, and invitations that wait. */
export function useUnreadRooms(): number {
  const enabled = useSession((session) => session.status === "signed-in");
  const unread = useQuery({ ...unreadCount(), enabled });
  const invites = useQuery({ ...myInvites(), enabled });
  return enabled ? (unread.data ?? 0) + (invites.data?.items.length ?? 0) : 0;
}

/** Keeps lists and the mark beside "Messages" right on every page. */
export function useRoomEvents(): void {
  const client = useQueryClient();
  const isSignedIn = useSession((session) => session.status === "signed-in");
  useEffect(() => {
    if (!isSignedIn) return;
    const socket = getSocket();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void client.invalidateQueries({ queryKey: ROOMS }), SETTLE_MS);
    };
    const events = [
      "room:message",
      "room:edited",
      "room:deleted",
      "room:read",
      "room:changed",
      "friends:changed",
    ] as const;
    for (const event of events) socket.on(event, refresh);
    // What was told while the line was down.
    socket.io.on("reconnect", refresh);
    return () => {
      clearTimeout(timer);
      for (const event of events) socket.off(event, refresh);
      socket.io.off("reconnect", refresh);
    };
  }, [client, isSignedIn]);
}

/** What a room is called: its name, or who the other one is. */
export const roomName = (room: Pick<Room, "name" | "with">, somebody: string): string =>
  room.name ?? (room.with?.is_active ? room.with.display_name : somebody);

/** Opens the conversation with a member. */
export function useOpenRoom() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (body: { username: string } | { name: string }) =>
      once(["room", body], (header) => unwrap(api.POST("/api/v1/rooms", { params: { header }, body }))),
    retry: retryAttempt,
    onSuccess: async (room) => {
      client.setQueryData(roomOf(room.id).queryKey, room);
      void client.invalidateQueries({ queryKey: [...ROOMS, "list"] });
      await navigate({ to: "/messages/$room", params: { room: room.id } });
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
}

export type RoomChange =
  | { to: "name"; name: string }
  | { to: "archive"; is_archived: boolean }
  | { to: "role"; username: string; role: RoomRole }
  | { to: "remove" | "invite" | "withdraw"; username: string };

/** Whatever is done to a group and to those who sit in it. */
export function useRoomChange(id: string) {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (change: RoomChange): Promise<void> => {
      const room = { params: { path: { id } } };
      if (change.to === "name")
        await unwrap(api.PATCH("/api/v1/rooms/{id}", { ...room, body: { name: change.name } }));
      else if (change.to === "archive")
        await unwrap(api.PATCH("/api/v1/rooms/{id}", { ...room, body: { is_archived: change.is_archived } }));
      else {
        const member = { params: { path: { id, username: change.username } } };
        if (change.to === "role")
          await unwrap(
            api.PATCH("/api/v1/rooms/{id}/members/{username}", { ...member, body: { role: change.role } }),
          );
        else if (change.to === "remove")
          await unwrap(api.DELETE("/api/v1/rooms/{id}/members/{username}", member));
        else if (change.to === "invite")
          await unwrap(api.PUT("/api/v1/rooms/{id}/invites/{username}", member));
        else await unwrap(api.DELETE("/api/v1/rooms/{id}/invites/{username}", member));
      }
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: ROOMS }),
  });
}

/** Says yes or no to an invitation. */
export function useAnswerInvite() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: async ({ id, isYes }: { id: string; isYes: boolean }): Promise<void> => {
      const room = { params: { path: { id } } };
      if (isYes) await unwrap(api.PUT("/api/v1/me/room-invites/{id}", room));
      else await unwrap(api.DELETE("/api/v1/me/room-invites/{id}", room));
    },
    onSuccess: (_, { id, isYes }) =>
      isYes ? navigate({ to: "/messages/$room", params: { room: id } }) : undefined,
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: ROOMS }),
  });
}
