// A recording that is made from a file: how far it is, a way to stop it, and another try when it failed.
import { type InfiniteData, useMutation, useQueryClient } from "@tanstack/react-query";
import { RotateCcw, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { vod as vodQuery } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Vod } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";

type Lists = InfiniteData<{ items: Vod[]; next_cursor?: string | null }, string | null>;

function useTurn(vod: Vod, act: "cancel-import" | "retry-import") {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: () =>
      act === "cancel-import"
        ? unwrap(api.POST("/api/v1/vods/{id}/cancel-import", { params: { path: { id: vod.id } } }))
        : unwrap(api.POST("/api/v1/vods/{id}/retry-import", { params: { path: { id: vod.id } } })),
    onSuccess: (now) => {
      client.setQueryData(vodQuery(vod.id).queryKey, now);
      client.setQueriesData<Lists>(
        { queryKey: ["vods", "list"] },
        (old) =>
          old && {
            ...old,
            pages: old.pages.map((page) => ({
              ...page,
              items: page.items.map((item) => (item.id === now.id ? now : item)),
            })),
          },
      );
    },
    onError: (error) => {
      toast({ kind: "error", title: errorText(t, error) });
      void client.invalidateQueries({ queryKey: ["vods"] });
    },
  });
}

/** Nothing for a recording of a stream, nor for one that is settled. */
export function Making({ vod }: { vod: Vod }) {
  const { t } = useTranslation();
  const isMine = useSession((session) => session.user?.username === vod.channel.username);
  const cancel = useTurn(vod, "cancel-import");
  const retry = useTurn(vod, "retry-import");
  if (vod.progress != null) {
    const text =
      vod.status === "processing"
        ? t("making.percent", { percent: vod.progress })
        : t("making.more", { percent: vod.progress });
    return (
      <div className="mt-2 flex max-w-md items-center gap-3" data-testid="vod-making">
        <div className="min-w-0 flex-1">
          <p className="tabular text-sm text-soft">{text}</p>
          <div
            role="progressbar"
            aria-label={t("making.label", { title: vod.title })}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={vod.progress}
            className="mt-1 h-1.5 overflow-hidden rounded-full bg-sunken"
          >
            <div
              className="h-full rounded-full bg-melt transition-[width] duration-500 motion-reduce:transition-none"
              style={{ width: `${vod.progress}%` }}
            />
          </div>
        </div>
        {isMine && vod.status === "processing" && (
          <Button
            size="s"
            onClick={() => cancel.mutate()}
            disabled={cancel.isPending}
            data-testid="vod-cancel"
          >
            <X />
            {t("making.cancel")}
          </Button>
        )}
      </div>
    );
  }
  if (vod.status !== "failed" || vod.may_retry == null || !isMine) return null;
  return (
    <Button
      size="s"
      className="mt-2"
      onClick={() => retry.mutate()}
      disabled={retry.isPending || !vod.may_retry}
      data-testid="vod-retry"
    >
      <RotateCcw />
      {t("actions.retry")}
    </Button>
  );
}
