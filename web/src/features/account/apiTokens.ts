// Tokens of the member's programs, and what they do about them.
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import type { ApiScope, ApiToken } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { toast } from "@/ui/toast";

/** In the order in which they are offered. The type forbids leaving one out. */
const OFFERED: Record<ApiScope, true> = {
  "content:read": true,
  "content:write": true,
  "channel:read": true,
  "channel:write": true,
  "stream-key:read": true,
  "moderation:read": true,
  "moderation:write": true,
  "files:read": true,
  "files:write": true,
  "notifications:read": true,
  "notifications:write": true,
  "events:read": true,
};
export const SCOPES = Object.keys(OFFERED) as ApiScope[];

/** Days a token may be good. */
export const DAYS = ["7", "30", "90", "365"] as const;
export type Days = (typeof DAYS)[number];

/** As its words are filed under. */
export const scopeKey = (scope: ApiScope) => scope.replace(":", "_").replace("-", "_");

export function isOver(token: Pick<ApiToken, "expires_at">, now: number): boolean {
  return Date.parse(token.expires_at) <= now;
}

/** Until when a token made now for so many days is good. */
export function goodUntil(days: Days, now: number): string {
  return new Date(now + Number(days) * 86_400_000).toISOString();
}

export const apiTokens = () =>
  queryOptions({
    queryKey: ["me", "api-tokens"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/api-tokens", { signal })),
    // Without a network it says so instead of waiting for one.
    networkMode: "always",
  });

export type NewToken = { name: string; scopes: ApiScope[]; days: Days; password: string };

export function useTokenActs() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: apiTokens().queryKey });
  const add = useMutation({
    mutationFn: ({ name, scopes, days, password }: NewToken) =>
      once(["api-token", name, scopes, days, password], (header) => {
        const body = { name, scopes, password, expires_at: goodUntil(days, startOfMinute(Date.now())) };
        return unwrap(api.POST("/api/v1/me/api-tokens", { params: { header }, body }));
      }),
    networkMode: "always",
    retry: retryAttempt,
    onSuccess: refresh,
  });
  const remove = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.DELETE("/api/v1/me/api-tokens/{id}", { params: { path: { id } } })),
    networkMode: "always",
    onSuccess: () => {
      toast({ kind: "good", title: t("api_tokens.ended") });
      return refresh();
    },
    onError: (error) => {
      toast({ kind: "error", title: errorText(t, error) });
      // It may have been ended elsewhere meanwhile.
      void refresh();
    },
  });
  return { add, remove };
}

/** An attempt that is sent again is to be the same bytes. */
function startOfMinute(now: number): number {
  return now - (now % 60_000);
}
