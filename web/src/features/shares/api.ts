// Share links, as the API tells them: of their owners, and of those who come by one.
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { once } from "@/api/attempts";
import { api, blobOf, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import type { Schemas } from "@/api/types";

export type ShareLink = Schemas["ShareLink"];
export type ShareAccess = Schemas["ShareAccess"];
export type NewShareLink = Schemas["NewShareLink"];
export type UpdateShareLink = Schemas["UpdateShareLink"];
export type Shared = Schemas["Shared"];
export type SharedFile = Schemas["SharedFile"];
export type SharedVod = Schemas["SharedVod"];

/** What a link is made for. */
export type Thing =
  | { kind: "file" | "vod"; id: string; name: string }
  | { kind: "folder"; path: string; name: string };

export const SHARES = ["me", "shares"] as const;
const PAGE = 50;

const queryOf = (thing: Thing | null) => {
  if (!thing) return {};
  return thing.kind === "folder" ? { path: thing.path } : { resource_id: thing.id };
};

/** The member's links; those of one thing, if it is named. */
export const shareLinks = (thing: Thing | null) =>
  infiniteQueryOptions({
    queryKey: [...SHARES, "list", queryOf(thing)],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/share-links", {
          params: { query: { ...queryOf(thing), limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

const at = (id: string) => ({ params: { path: { id } } });

export const accesses = (id: string) =>
  infiniteQueryOptions({
    queryKey: [...SHARES, "accesses", id],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/share-links/{id}/accesses", {
          params: { path: { id }, query: { limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    staleTime: 0,
  });

/** A link as a QR code: an SVG, to be shown as a picture. */
export const qr = (id: string) =>
  queryOptions({
    queryKey: [...SHARES, "qr", id],
    queryFn: async () => {
      const svg = await (await blobOf(`/api/v1/share-links/${id}/qr`)).text();
      return `data:image/svg+xml,${encodeURIComponent(svg)}`;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

export const createShareLink = (body: NewShareLink) =>
  once(["share-links", body], (header) =>
    unwrap(api.POST("/api/v1/share-links", { params: { header }, body })),
  );
export const updateShareLink = (id: string, body: UpdateShareLink) =>
  unwrap(api.PATCH("/api/v1/share-links/{id}", { ...at(id), body }));
export const revokeShareLink = (id: string) => unwrap(api.DELETE("/api/v1/share-links/{id}", at(id)));

// Those who come by.

/** Everything a visit gives lives for four minutes. */
const RENEW_EVERY_MS = 100_000;
const RETRIES_MAX = 2;
const KEPT = "rillcast.share.";

/** A reload within minutes goes on with the visit it had, and is not counted again. */
export function keptVisit(token: string): string | null {
  try {
    return sessionStorage.getItem(KEPT + token);
  } catch {
    return null;
  }
}

export function keepVisit(token: string, visit: string | null): void {
  try {
    if (visit) sessionStorage.setItem(KEPT + token, visit);
    else sessionStorage.removeItem(KEPT + token);
  } catch {
    // A browser that keeps nothing opens the link anew.
  }
}

const ofToken = (token: string) => ({ params: { path: { token } } });

/** Opens a link. It counts. */
export async function openShare(token: string, password?: string): Promise<Shared> {
  const body = password === undefined ? {} : { password };
  const shared = await unwrap(
    api.POST("/api/v1/share-links/token/{token}/access", { ...ofToken(token), body }),
  );
  keepVisit(token, shared.visit);
  return shared;
}

async function renewShare(token: string, visit: string): Promise<Shared> {
  const shared = await unwrap(
    api.POST("/api/v1/share-links/token/{token}/renew", { ...ofToken(token), body: { visit } }),
  );
  keepVisit(token, shared.visit);
  return shared;
}

/** Whether nobody said no: it may be asked again. */
export const isPassing = (error: unknown): boolean => {
  const { status } = ApiError.of(error);
  return status === 0 || status >= 500;
};

/** What is behind a link. Renewed for as long as the page is there; opened anew only when there is no visit to go on with. */
export const shared = (token: string) =>
  queryOptions({
    queryKey: ["shared", token],
    queryFn: async ({ client, queryKey }): Promise<Shared> => {
      const visit = keptVisit(token);
      if (!visit) return openShare(token);
      try {
        return await renewShare(token, visit);
      } catch (error) {
        if (isPassing(error)) throw error;
        const { status } = ApiError.of(error);
        if (status !== 429) keepVisit(token, null);
        // Whoever was in is told what became of it; only a visit that is over is begun anew, unless it is being looked at.
        if (status === 429 || status === 410 || client.getQueryData(queryKey)) throw error;
        return openShare(token);
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: (failures, error) => failures < RETRIES_MAX && isPassing(error),
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    refetchOnMount: false,
    refetchInterval: ({ state }) =>
      state.data && (state.status !== "error" || isPassing(state.error)) ? RENEW_EVERY_MS : false,
    refetchIntervalInBackground: true,
  });

/** What lies in a shared folder, or in one below it. */
export const sharedItems = (token: string, path: string) =>
  infiniteQueryOptions({
    queryKey: ["shared", token, "items", path],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.POST("/api/v1/share-links/token/{token}/items", {
          ...ofToken(token),
          body: { visit: keptVisit(token) ?? "", path, limit: PAGE, cursor: pageParam ?? undefined },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    gcTime: 0,
    retry: (failures, error) => failures < RETRIES_MAX && isPassing(error),
    refetchOnWindowFocus: false,
    refetchInterval: RENEW_EVERY_MS,
    refetchIntervalInBackground: true,
  });
