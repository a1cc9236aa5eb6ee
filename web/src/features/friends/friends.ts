// What the pages ask about friendships and blocks, and what they do to them.
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import type { Circle, FriendPage, Letters, Sight } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { toast } from "@/ui/toast";

export type FriendList = "accepted" | "incoming" | "outgoing" | "blocked";

/** Every key of this feature begins with it: one push makes all of them stale. */
export const FRIENDS = ["friends"] as const;
const PAGE = 30;

export const friendList = (of: FriendList) =>
  infiniteQueryOptions({
    queryKey: [...FRIENDS, "list", of],
    queryFn: ({ pageParam, signal }) => {
      const page = { limit: PAGE, cursor: pageParam ?? undefined };
      return of === "blocked"
        ? unwrap(api.GET("/api/v1/me/blocks", { params: { query: page }, signal }))
        : unwrap(api.GET("/api/v1/friends", { params: { query: { ...page, state: of } }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page: Pick<FriendPage, "next_cursor">) => page.next_cursor ?? null,
  });

/** How many requests wait for an answer: the mark beside "Friends". */
export const incomingCount = () =>
  queryOptions({
    queryKey: [...FRIENDS, "count"],
    queryFn: async ({ signal }) => {
      const query = { state: "incoming" as const, limit: 1 };
      return (await unwrap(api.GET("/api/v1/friends", { params: { query }, signal }))).incoming_count;
    },
    staleTime: 60_000,
  });

export const bondWith = (username: string) =>
  queryOptions({
    queryKey: [...FRIENDS, "one", username],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/v1/friends/{username}", { params: { path: { username } }, signal })),
  });

export const privacy = () =>
  queryOptions({
    queryKey: ["me", "privacy"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/privacy", { signal })),
  });

export function useSetPrivacy() {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: { friend_requests?: Circle; messages?: Letters; presence?: Sight }) =>
      unwrap(api.PATCH("/api/v1/me/privacy", { body: change })),
    onSuccess: (now, { presence }) => {
      client.setQueryData(privacy().queryKey, now);
      // Who hides it does not see theirs.
      if (presence) {
        void client.invalidateQueries({ queryKey: FRIENDS });
        void client.invalidateQueries({ queryKey: ["rooms"] });
      }
      toast({ kind: "good", title: t("saved") });
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
  });
}

export type BondChange = { username: string; to: "ask" | "end" | "block" | "unblock" };

/** Asks, answers, ends, blocks; every list and button hears of it. */
export function useBondChange() {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ username, to }: BondChange): Promise<void> => {
      const params = { params: { path: { username } } };
      if (to === "ask") await unwrap(api.PUT("/api/v1/friends/{username}", params));
      else if (to === "end") await unwrap(api.DELETE("/api/v1/friends/{username}", params));
      else if (to === "block") await unwrap(api.PUT("/api/v1/me/blocks/{username}", params));
      else await unwrap(api.DELETE("/api/v1/me/blocks/{username}", params));
    },
    onError: (error) => toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: FRIENDS }),
  });
}
