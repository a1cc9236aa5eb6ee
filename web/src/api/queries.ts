// Every question the pages ask the API, with its cache key. Server state lives here and nowhere else.
import {
  QueryClient as Client,
  type InfiniteData,
  infiniteQueryOptions,
  type QueryClient,
  queryOptions,
} from "@tanstack/react-query";
import { isChanging } from "@/features/vod/making";
import { api, unwrap } from "./client";
import { ApiError } from "./errors";
import type { Channel, Notification, NotificationPage } from "./types";

const PAGE = 24;

export function newQueryClient(): QueryClient {
  return new Client({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        // Answers of 4xx do not change by asking again.
        retry: (failures, error) => {
          const { status } = ApiError.of(error);
          return failures < 2 && (status === 0 || status >= 500);
        },
        refetchOnWindowFocus: true,
      },
    },
  });
}

export const liveStreams = (filter: { category?: string; q?: string } = {}) =>
  queryOptions({
    queryKey: ["streams", "live", filter],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/streams", {
          params: { query: { live: true, category: filter.category, q: filter.q, limit: 48 } },
          signal,
        }),
      ),
    refetchInterval: 20_000,
  });

export const stream = (id: string) =>
  queryOptions({
    queryKey: ["streams", "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/streams/{id}", { params: { path: { id } }, signal })),
  });

/** How often the progress of what is made from a file is asked for, in milliseconds. */
const MAKING_EVERY = 2_500;

type VodFilter = { channel?: string; category?: string; q?: string; sort?: "recent" | "views" };

export const vods = (filter: VodFilter = {}) =>
  infiniteQueryOptions({
    queryKey: ["vods", "list", filter],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/vods", {
          params: { query: { ...filter, limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    // A recording that is being made will soon be ready.
    refetchInterval: (query) => {
      const items = query.state.data?.pages.flatMap((page) => page.items) ?? [];
      if (items.some(isChanging)) return MAKING_EVERY;
      return items.some((item) => item.status === "recording") ? 10_000 : false;
    },
  });

export const vod = (id: string) =>
  queryOptions({
    queryKey: ["vods", "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/vods/{id}", { params: { path: { id } }, signal })),
    // A recording that still grows is asked for again until it is ready.
    refetchInterval: ({ state: { data } }) => {
      if (data && isChanging(data)) return MAKING_EVERY;
      return data?.status === "recording" ? 10_000 : false;
    },
  });

export const channel = (username: string) =>
  queryOptions({
    queryKey: ["channel", username.toLowerCase()],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/channels/{username}", { params: { path: { username } }, signal })),
    // The socket tells at once; this heals what it missed.
    refetchInterval: (query) => (query.state.data?.live?.status === "live" ? 30_000 : 10_000),
  });

export const categories = () =>
  queryOptions({
    queryKey: ["categories"],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/categories", { params: { query: { limit: 100 } }, signal })),
    staleTime: 5 * 60_000,
  });

export const following = () =>
  queryOptions({
    queryKey: ["following"],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/me/following", { params: { query: { limit: 100 } }, signal })),
    refetchInterval: 60_000,
  });

export const streamKey = () =>
  queryOptions({
    queryKey: ["me", "stream-key"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/stream-key", { signal })),
    staleTime: Number.POSITIVE_INFINITY,
    // A key does not stay in memory for longer than it is looked at.
    gcTime: 0,
  });

export const storage = () =>
  queryOptions({
    queryKey: ["me", "storage"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/storage", { signal })),
  });

export const streamSettings = () =>
  queryOptions({
    queryKey: ["me", "stream"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/stream", { signal })),
  });

/** How a stream arrives; the socket tells each further second. */
export const ingestHealth = (id: string, minutes: number) =>
  queryOptions({
    queryKey: ["streams", "health", id, minutes],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/streams/{id}/health", { params: { path: { id }, query: { minutes } }, signal }),
      ),
    // Long ranges are drawn from stored steps only.
    refetchInterval: minutes > 60 ? 60_000 : false,
  });

export type NoticeFilter = { type?: string; unread?: boolean };

/** Without a filter this is the list the bell keeps; all lists of notifications begin with the same key. */
export const notifications = (filter?: NoticeFilter) =>
  infiniteQueryOptions({
    queryKey: filter ? ["notifications", filter] : ["notifications"],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/notifications", {
          params: { query: { ...filter, limit: 30, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: NotificationPage) => page.next_cursor ?? null,
    staleTime: 60_000,
  });

export const notificationSettings = () =>
  queryOptions({
    queryKey: ["me", "notification-settings"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/notification-settings", { signal })),
  });

export const pushSettings = () =>
  queryOptions({
    queryKey: ["me", "push"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/push", { signal })),
  });

export type NotificationPages = InfiniteData<NotificationPage, unknown>;

/** Puts a notification that came over the socket on top; one that is there already changes nothing. */
export function withNotification(
  old: NotificationPages | undefined,
  fresh: Notification,
): NotificationPages | undefined {
  const first = old?.pages[0];
  if (!old || !first || old.pages.some((page) => page.items.some((item) => item.id === fresh.id))) return old;
  const top: NotificationPage = {
    ...first,
    items: [fresh, ...first.items],
    unread_count: first.unread_count + (fresh.is_read ? 0 : 1),
  };
  return { ...old, pages: [top, ...old.pages.slice(1)] };
}

/** Marks some notifications, or all of them, as read. The server's own count is believed where it is known. */
export function withRead(
  old: NotificationPages | undefined,
  ids: readonly string[] | "all",
  unread?: number,
): NotificationPages | undefined {
  if (!old) return old;
  let changed = 0;
  const pages = old.pages.map((page) => ({
    ...page,
    items: page.items.map((item) => {
      if (item.is_read || (ids !== "all" && !ids.includes(item.id))) return item;
      changed += 1;
      return { ...item, is_read: true };
    }),
  }));
  const counted = ids === "all" ? 0 : Math.max(0, (old.pages[0]?.unread_count ?? 0) - changed);
  return { ...old, pages: pages.map((page) => ({ ...page, unread_count: unread ?? counted })) };
}

/** Applies a change to a cached channel, if it is cached. */
export function patchChannel(client: QueryClient, username: string, change: (old: Channel) => Channel): void {
  client.setQueryData(channel(username).queryKey, (old) => (old ? change(old) : old));
}
