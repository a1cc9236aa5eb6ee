// Looking for channels, recordings, categories and one's own files: questions with their cache keys, and what fits which words.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Category, Schemas } from "@/api/types";
import { isEnough, parts } from "@/features/rooms/found";

export type SearchResults = Schemas["SearchResults"];
export type SearchKind = Schemas["SearchKind"];
export type ChannelHit = Schemas["ChannelHit"];

export const QUESTION_MAX = 100;
const SEARCH = "search";
/** Of each kind below the field. */
const SUGGESTED = 4;
/** Of each kind on the page of all. */
const BEST = 6;
const PAGE = 24;

/** The best of each kind. Nothing is asked before there is a word of two letters. */
const best = (q: string, limit: number) =>
  queryOptions({
    queryKey: [SEARCH, "best", q, limit],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/search", { params: { query: { q, limit } }, signal })),
    enabled: isEnough(q),
  });

/** While somebody types: what was found before stays until there is something new. */
export const suggestions = (q: string) =>
  queryOptions({ ...best(q, SUGGESTED), placeholderData: keepPreviousData, retry: false, gcTime: 60_000 });

export const overview = (q: string) => best(q, BEST);

/** All there is of one kind, in pages. */
export const results = (q: string, kind: SearchKind) =>
  infiniteQueryOptions({
    queryKey: [SEARCH, "all", q, kind],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET("/api/v1/search", {
          params: { query: { q, kind, limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    enabled: isEnough(q),
  });

/** Whether each word somebody looks for begins one of these. */
export function fits(text: string, q: string): boolean {
  const words = q.split(/[^\p{L}\p{N}\p{M}]+/u).filter(Boolean);
  return words.length > 0 && words.every((word) => parts(text, word).some((part) => part.isHit));
}

/** Categories by their names, as they are shown and as they are stored, and by their tags. */
export const categoriesFor = (all: readonly Category[], q: string, nameOf: (one: Category) => string) =>
  all.filter((one) => fits(`${nameOf(one)} ${one.name} ${one.tags.join(" ")}`, q));
