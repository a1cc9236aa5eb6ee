// What the moderators' page asks about a channel, and what it changes by HTTP. Acts go over the socket, see useActs.
import {
  infiniteQueryOptions,
  type QueryClient,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import type { HeldLine, ModAct } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { toast } from "@/ui/toast";
import { type LogFilter, type LogPage, type LogPages, withAct } from "./acts";
import { logKey, modKey } from "./keys";
import { useActs } from "./useActs";

const PAGE = 30;

export const modLog = (channel: string, filter: LogFilter) =>
  infiniteQueryOptions({
    queryKey: [...logKey(channel), filter],
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...filter, limit: PAGE, cursor: pageParam ?? undefined };
      const params = { path: { username: channel }, query };
      const page = await unwrap(api.GET("/api/v1/channels/{username}/moderation/log", { params, signal }));
      // What an act has to say for itself differs by its kind.
      return page as unknown as LogPage;
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    staleTime: 60_000,
  });

export const sanctions = (channel: string) =>
  infiniteQueryOptions({
    queryKey: [...modKey(channel), "sanctions"],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, cursor: pageParam ?? undefined };
      const params = { path: { username: channel }, query };
      return unwrap(api.GET("/api/v1/channels/{username}/moderation/sanctions", { params, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    staleTime: 60_000,
  });

export const moderators = (channel: string) =>
  queryOptions({
    queryKey: [...modKey(channel), "moderators"],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/channels/{username}/moderators", {
          params: { path: { username: channel } },
          signal,
        }),
      ),
    staleTime: 60_000,
  });

export const filters = (channel: string) =>
  queryOptions({
    queryKey: [...modKey(channel), "filters"],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/channels/{username}/moderation/filters", {
          params: { path: { username: channel } },
          signal,
        }),
      ),
    staleTime: 60_000,
  });

export const heldLines = (channel: string) =>
  queryOptions({
    queryKey: [...modKey(channel), "held"],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/channels/{username}/moderation/held", {
          params: { path: { username: channel } },
          signal,
        }),
      ),
    staleTime: 60_000,
  });

export const reports = (channel: string) =>
  infiniteQueryOptions({
    queryKey: [...modKey(channel), "reports"],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, cursor: pageParam ?? undefined };
      const params = { path: { username: channel }, query };
      return unwrap(api.GET("/api/v1/channels/{username}/moderation/reports", { params, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    staleTime: 60_000,
  });

export const requests = (channel: string) =>
  infiniteQueryOptions({
    queryKey: [...modKey(channel), "requests"],
    queryFn: ({ pageParam, signal }) => {
      const query = { limit: PAGE, cursor: pageParam ?? undefined };
      const params = { path: { username: channel }, query };
      return unwrap(api.GET("/api/v1/channels/{username}/moderation/unban-requests", { params, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    staleTime: 60_000,
  });

export const card = (channel: string, member: string) =>
  queryOptions({
    queryKey: [...modKey(channel), "card", member],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/channels/{username}/chatters/{member}", {
          params: { path: { username: channel, member } },
          signal,
        }),
      ),
    staleTime: 10_000,
  });

export function heldCame(client: QueryClient, channel: string, line: HeldLine): void {
  client.setQueryData(heldLines(channel).queryKey, (old) =>
    old && !old.items.some(({ id }) => id === line.id) ? { ...old, items: [...old.items, line] } : old,
  );
}

export function heldGone(client: QueryClient, channel: string, id: string): void {
  client.setQueryData(
    heldLines(channel).queryKey,
    (old) => old && { ...old, items: old.items.filter((line) => line.id !== id) },
  );
}

/** Decides about a report, or hands it to the site's staff. */
export function useReportDecision(channel: string) {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, action }: { id: string; action: "resolve" | "dismiss" | "escalate" }) =>
      unwrap(
        api.POST("/api/v1/channels/{username}/moderation/reports/{id}", {
          params: { path: { username: channel, id } },
          body: { action, note: "" },
        }),
      ),
    onSuccess: (_, { action }) => toast({ kind: "good", title: t(`mod.reports.did.${action}`) }),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: reports(channel).queryKey }),
  });
}

/** Answers somebody who asks to be let in again. A ban that was lifted may be put back for ten seconds. */
export function useRequestAnswer(channel: string) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { offer } = useActs(channel);
  return useMutation({
    mutationFn: ({ id, action, note }: { id: string; action: "accept" | "deny"; note: string }) =>
      unwrap(
        api.POST("/api/v1/channels/{username}/moderation/unban-requests/{id}", {
          params: { path: { username: channel, id } },
          body: { action, note },
        }),
      ),
    // What an act has to say for itself differs by its kind.
    onSuccess: (act) => offer(act as unknown as ModAct),
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: requests(channel).queryKey }),
  });
}

/** Appoints and dismisses. */
export function useAppoint(channel: string) {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ member, isOn }: { member: string; isOn: boolean }): Promise<unknown> => {
      const params = { params: { path: { username: channel, member } } };
      return isOn
        ? unwrap(api.PUT("/api/v1/channels/{username}/moderators/{member}", params))
        : unwrap(api.DELETE("/api/v1/channels/{username}/moderators/{member}", params));
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: moderators(channel).queryKey }),
  });
}

export type NewFilter = { kind: "words" | "regex"; pattern: string; action: "refuse" | "hold" };

export function useFilterChange(channel: string) {
  const client = useQueryClient();
  const onSettled = () => client.invalidateQueries({ queryKey: filters(channel).queryKey });
  const add = useMutation({
    mutationFn: (body: NewFilter): Promise<unknown> =>
      once(["filter", channel, body], (header) =>
        unwrap(
          api.POST("/api/v1/channels/{username}/moderation/filters", {
            params: { path: { username: channel }, header },
            body,
          }),
        ),
      ),
    retry: retryAttempt,
    onSettled,
  });
  const remove = useMutation({
    mutationFn: (id: string): Promise<unknown> =>
      unwrap(
        api.DELETE("/api/v1/channels/{username}/moderation/filters/{id}", {
          params: { path: { username: channel, id } },
        }),
      ),
    onSettled,
  });
  return { add, remove };
}

/** Which lists an act leaves stale. One that was taken back counts as what it was. */
export function staleBy(
  act: ModAct,
): ("sanctions" | "moderators" | "filters" | "card" | "reports" | "requests")[] {
  const action = act.action === "undo" ? (act.detail?.action ?? "") : act.action;
  if (action === "timeout" || action === "ban" || action === "unban")
    return ["sanctions", "card", "requests"];
  if (action.startsWith("report")) return ["reports"];
  if (action.startsWith("request")) return ["requests", "card"];
  if (action === "mod" || action === "unmod") return ["moderators", "card"];
  if (action.includes("filter")) return ["filters"];
  return act.target === null ? [] : ["card"];
}

/** The desk has heard of an act. */
export function heard(client: QueryClient, channel: string, act: ModAct): void {
  for (const query of client.getQueryCache().findAll({ queryKey: logKey(channel) })) {
    const filter = query.queryKey.at(-1) as LogFilter;
    client.setQueryData<LogPages>(query.queryKey, (old) => withAct(old, act, filter));
  }
  for (const list of staleBy(act)) {
    void client.invalidateQueries({ queryKey: [...modKey(channel), list] });
  }
}
