// What the pages ask of clips.
import { infiniteQueryOptions, type QueryClient, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Clip, VodClips } from "@/api/types";

const PAGE = 24;
export const TITLE_MAX = 100;

export type ClipSort = "recent" | "views";

export const clip = (id: string) =>
  queryOptions({
    queryKey: ["clips", "one", id],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/clips/{id}", { params: { path: { id } }, signal })),
  });

export const clips = (channel: string, sort: ClipSort) =>
  infiniteQueryOptions({
    queryKey: ["clips", "list", channel.toLowerCase(), sort],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/clips", {
          params: { query: { channel, sort, limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

/** A recording's clips, and whether one may make another. */
export const vodClips = (vod: string) =>
  infiniteQueryOptions({
    queryKey: ["clips", "of", vod],
    queryFn: ({ pageParam, signal }): Promise<VodClips> =>
      unwrap(
        api.GET("/api/v1/vods/{id}/clips", {
          params: { path: { id: vod }, query: { limit: 12, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: VodClips) => page.next_cursor ?? null,
    staleTime: 60_000,
  });

/** The recording of a stream on air: there a moment after its first picture. */
export const recordingOf = (stream: string, channel: string) =>
  queryOptions({
    queryKey: ["vods", "of-stream", stream],
    queryFn: async ({ signal }) => {
      const page = await unwrap(
        api.GET("/api/v1/vods", { params: { query: { channel, limit: 5 } }, signal }),
      );
      return page.items.find((vod) => vod.stream_id === stream && vod.status !== "failed") ?? null;
    },
    refetchInterval: (query) => (query.state.data ? false : 10_000),
  });

export const clipSettings = () =>
  queryOptions({
    queryKey: ["me", "clips"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/clips", { signal })),
  });

/** Lists are asked for anew; the clip itself is known. */
export function clipChanged(client: QueryClient, saved: Clip): void {
  client.setQueryData(clip(saved.id).queryKey, saved);
  void client.invalidateQueries({ queryKey: ["clips", "list"] });
  void client.invalidateQueries({ queryKey: ["clips", "of", saved.vod_id] });
}

export function clipGone(client: QueryClient, { id, vod_id }: Clip): void {
  client.removeQueries({ queryKey: clip(id).queryKey });
  void client.invalidateQueries({ queryKey: ["clips", "list"] });
  void client.invalidateQueries({ queryKey: ["clips", "of", vod_id] });
}
