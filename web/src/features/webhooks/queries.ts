// A member's webhooks, what was sent to them, and what the page changes.
import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import type { NewWebhook, UpdateWebhook, WebhookDeliveryState } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { toast } from "@/ui/toast";
import { isSettling } from "./events";

const PAGE = 20;
/** While something is on its way the log is asked for this often. */
const SETTLING_POLL_MS = 2_000;
/** While messages wait their webhooks are asked for this often: how they do may change. */
const WAITING_POLL_MS = 5_000;
const KEY = ["me", "webhooks"] as const;

export const webhooks = () =>
  queryOptions({
    queryKey: [...KEY, "list"],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/webhooks", { signal })),
    refetchInterval: ({ state: { data } }) =>
      data?.items.some((webhook) => webhook.waiting_count > 0) ? WAITING_POLL_MS : false,
  });

export const deliveries = (id: string, state?: WebhookDeliveryState) =>
  infiniteQueryOptions({
    queryKey: [...KEY, "log", id, state ?? null],
    queryFn: ({ pageParam, signal }) => {
      const query = { state, limit: PAGE, cursor: pageParam ?? undefined };
      const params = { path: { id }, query };
      return unwrap(api.GET("/api/v1/me/webhooks/{id}/deliveries", { params, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    refetchInterval: ({ state: { data } }) =>
      data?.pages.some((page) => page.items.some((one) => isSettling(one))) ? SETTLING_POLL_MS : false,
  });

export const delivery = (id: string, deliveryId: string) =>
  queryOptions({
    queryKey: [...KEY, "message", id, deliveryId],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/me/webhooks/{id}/deliveries/{delivery_id}", {
          params: { path: { id, delivery_id: deliveryId } },
          signal,
        }),
      ),
    staleTime: 0,
  });

export const addWebhook = (body: NewWebhook) =>
  once(["webhook", body], (header) => unwrap(api.POST("/api/v1/me/webhooks", { params: { header }, body })));

export const updateWebhook = (id: string, body: UpdateWebhook) =>
  unwrap(api.PATCH("/api/v1/me/webhooks/{id}", { params: { path: { id } }, body }));

export function useRefresh() {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: KEY });
}

/** Everything that is one press on a webhook. Refusals are told in passing. */
export function useWebhookActs(id: string) {
  const { t } = useTranslation();
  const refresh = useRefresh();
  const onError = (error: unknown) => {
    toast({ kind: "error", title: errorText(t, error) });
    void refresh();
  };
  const path = { id };
  const toggle = useMutation({
    mutationFn: (isEnabled: boolean) => updateWebhook(id, { is_enabled: isEnabled }),
    onSuccess: refresh,
    onError,
  });
  const ping = useMutation({
    mutationFn: () =>
      once(["ping", id], (header) =>
        unwrap(api.POST("/api/v1/me/webhooks/{id}/ping", { params: { path, header } })),
      ),
    retry: retryAttempt,
    onSuccess: () => {
      toast({ kind: "good", title: t("webhooks.ping_sent") });
      return refresh();
    },
    onError,
  });
  const replay = useMutation({
    mutationFn: (deliveryId: string) =>
      once(["replay", id, deliveryId], (header) =>
        unwrap(
          api.POST("/api/v1/me/webhooks/{id}/deliveries/{delivery_id}/replay", {
            params: { path: { id, delivery_id: deliveryId }, header },
          }),
        ),
      ),
    retry: retryAttempt,
    onSuccess: () => {
      toast({ kind: "good", title: t("webhooks.replay_sent") });
      return refresh();
    },
    onError,
  });
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/me/webhooks/{id}", { params: { path } })),
    onSuccess: () => {
      toast({ kind: "good", title: t("webhooks.deleted") });
      return refresh();
    },
    onError,
  });
  const rotate = useMutation({
    mutationFn: () =>
      once(["rotate", id], (header) =>
        unwrap(api.POST("/api/v1/me/webhooks/{id}/secret/rotate", { params: { path, header } })),
      ),
    retry: retryAttempt,
    onSuccess: refresh,
    onError,
  });
  return { toggle, ping, replay, remove, rotate };
}
