// What the analytics pages ask.
import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Range } from "./numbers";

/** The same addresses answer as text where that is asked for. */
function figures<T extends object>(answer: T | string): T {
  if (typeof answer === "string") throw new TypeError("figures were asked for, and text came");
  return answer;
}

export const analytics = (range: Range) =>
  queryOptions({
    queryKey: ["me", "analytics", range.from, range.to],
    queryFn: async ({ signal }) =>
      figures(await unwrap(api.GET("/api/v1/me/analytics", { params: { query: range }, signal }))),
    // A minute is the finest there is.
    staleTime: 60_000,
  });

export const streamAnalytics = (id: string) =>
  queryOptions({
    queryKey: ["me", "analytics", "stream", id],
    queryFn: async ({ signal }) =>
      figures(
        await unwrap(api.GET("/api/v1/me/analytics/streams/{id}", { params: { path: { id } }, signal })),
      ),
    staleTime: 30_000,
    refetchInterval: (query) => (query.state.data?.is_live ? 60_000 : false),
  });

export type Table = "days" | "streams" | "sources";

/** One table of a range as text. Whatever else a range carries with it is no part of the question. */
export const rangeCsv = ({ from, to }: Range, table: Table): Promise<string> =>
  unwrap(
    api.GET("/api/v1/me/analytics", {
      params: { query: { from, to, table, format: "csv" } },
      parseAs: "text",
    }),
  );

export const streamCsv = (id: string): Promise<string> =>
  unwrap(
    api.GET("/api/v1/me/analytics/streams/{id}", {
      params: { path: { id }, query: { format: "csv" } },
      parseAs: "text",
    }),
  );
