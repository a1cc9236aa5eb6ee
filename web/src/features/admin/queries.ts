// What the site's staff asks for and does.
import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";

const PAGE = 30;
/** Nobody tells this page of a new report. */
const REFRESH_MS = 30_000;

export type AdminMember = Schemas["AdminMember"];
export type CaseState = Schemas["ReportState"];
export type MemberFilter = { q?: string; suspended?: boolean };

export const siteReports = (state: CaseState) =>
  infiniteQueryOptions({
    queryKey: ["admin", "reports", state],
    queryFn: ({ pageParam, signal }) => {
      const query = { state, limit: PAGE, cursor: pageParam ?? undefined };
      return unwrap(api.GET("/api/v1/admin/reports", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    refetchInterval: REFRESH_MS,
  });

export const members = (filter: MemberFilter) =>
  infiniteQueryOptions({
    queryKey: ["admin", "members", filter],
    queryFn: ({ pageParam, signal }) => {
      const query = { ...filter, limit: PAGE, cursor: pageParam ?? undefined };
      return unwrap(api.GET("/api/v1/admin/users", { params: { query }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const decideReport = (id: string, action: "resolve" | "dismiss", note: string) =>
  unwrap(api.POST("/api/v1/admin/reports/{id}", { params: { path: { id } }, body: { action, note } }));

export const resetTwoFactor = (username: string, reason: string) =>
  unwrap(
    api.POST("/api/v1/admin/users/{username}/two-factor/reset", {
      params: { path: { username } },
      body: { reason },
    }),
  );

export const setSuspended = (username: string, isSuspended: boolean, reason: string) => {
  const call = { params: { path: { username } }, body: { reason } };
  return isSuspended
    ? unwrap(api.POST("/api/v1/admin/users/{username}/suspend", call))
    : unwrap(api.POST("/api/v1/admin/users/{username}/unsuspend", call));
};
