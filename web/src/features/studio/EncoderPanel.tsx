import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowLeftRight, CircleCheck, TimerOff } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { streamSettings } from "@/api/queries";
import type { StreamSettings } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { serverTime } from "@/lib/serverClock";
import { secondsUntil, timeOfDay } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Panel } from "./Panel";
import { type Offer, takeoverState } from "./takeover";

/** While an offer is open the page watches for the newcomer. */
const WATCH_MS = 1_000;
const LOOK_MS = 10_000;

/** Which encoder publishes now, and handing over to another. */
export function EncoderPanel() {
  const { t } = useTranslation();
  const query = useQuery({
    ...streamSettings(),
    refetchInterval: (state) => (state.state.data?.takeover_until ? WATCH_MS : LOOK_MS),
  });
  return (
    <Panel title={t("studio.encoder.title")}>
      <div data-testid="encoder-panel">
        {query.isPending && <Skeleton className="h-24" />}
        {query.isError && !query.data && (
          <ErrorState error={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.data && <Desk settings={query.data} />}
      </div>
    </Panel>
  );
}

function Desk({ settings }: { settings: StreamSettings }) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const [offer, setOffer] = useState<Offer | null>(null);
  // The beat only wakes: a deadline that has just been set must not be counted from the beat before.
  const now = serverTime(Math.max(useNow(500), Date.now()));
  const { encoder } = settings;
  const shown = takeoverState(settings, offer, now);
  const refresh = () => client.invalidateQueries(streamSettings());

  const give = useMutation({
    mutationFn: () => unwrap(api.POST("/api/v1/me/stream/takeover")),
    onSuccess: ({ until }) => {
      setOffer({ until, epoch: encoder?.epoch ?? 0 });
      client.setQueryData(streamSettings().queryKey, (old) =>
        old ? { ...old, takeover_until: until } : old,
      );
    },
    onError: refresh,
  });
  const withdraw = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/me/stream/takeover")),
    onSuccess: () => {
      setOffer(null);
      client.setQueryData(streamSettings().queryKey, (old) => (old ? { ...old, takeover_until: null } : old));
    },
    onError: refresh,
  });
  // The answer to the last click is about what is there now, not about an encoder that has left meanwhile.
  const epoch = encoder?.epoch;
  useEffect(() => give.reset(), [epoch]);

  // One that another page made is this page's, too: what becomes of it is said here.
  const openUntil = shown.state === "open" ? shown.until : null;
  useEffect(() => {
    if (openUntil && epoch !== undefined)
      setOffer((old) => (old?.until === openUntil ? old : { until: openUntil, epoch }));
  }, [openUntil, epoch]);

  const failed = give.error ?? withdraw.error;
  const left = shown.state === "open" ? secondsUntil(shown.until, now) : null;
  return (
    <div className="flex flex-col gap-4" data-testid="takeover" data-state={shown.state}>
      {encoder ? (
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-5 gap-y-1.5 text-sm">
          <dt className="text-soft">{t("studio.encoder.address")}</dt>
          <dd className="truncate font-mono text-[13px]" data-testid="encoder-address">
            {encoder.address}
          </dd>
          <dt className="text-soft">{t("studio.encoder.since")}</dt>
          <dd className="tabular">{timeOfDay(encoder.connected_at, lang)}</dd>
          <dt className="text-soft">{t("studio.encoder.priority")}</dt>
          <dd className="tabular" data-testid="encoder-priority">
            {encoder.priority}
          </dd>
        </dl>
      ) : (
        <p className="text-soft">{t("studio.encoder.none")}</p>
      )}
      {encoder && shown.state === "open" && (
        <div className="flex flex-wrap items-center gap-x-5 gap-y-3 rounded-md border border-melt/50 bg-melt-wash px-4 py-3">
          <span
            aria-hidden="true"
            className="tabular min-w-10 text-center font-bold font-display text-2xl"
            data-testid="takeover-left"
          >
            {left ?? 0}
          </span>
          <div role="status" className="min-w-0 flex-1 basis-44">
            <p className="font-semibold">{t("studio.encoder.open")}</p>
            <p className="text-sm text-soft">{t("studio.encoder.open_text")}</p>
          </div>
          <Button
            size="s"
            isBusy={withdraw.isPending}
            onClick={() => withdraw.mutate()}
            data-testid="takeover-cancel"
          >
            {t("actions.cancel")}
          </Button>
        </div>
      )}
      {encoder && shown.state !== "open" && (
        <>
          {shown.state === "done" && (
            <p role="status" className="flex items-start gap-2 text-good" data-testid="takeover-done">
              <CircleCheck aria-hidden="true" className="mt-0.5 size-5 shrink-0" />
              <span>{t("studio.encoder.done")}</span>
            </p>
          )}
          {shown.state === "missed" && (
            <p role="status" className="flex items-start gap-2 text-soft" data-testid="takeover-missed">
              <TimerOff aria-hidden="true" className="mt-0.5 size-5 shrink-0" />
              <span>{t("studio.encoder.missed")}</span>
            </p>
          )}
          <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
            <Button isBusy={give.isPending} onClick={() => give.mutate()} data-testid="takeover-offer">
              <ArrowLeftRight />
              {t("studio.encoder.offer")}
            </Button>
            <p className="min-w-0 flex-1 basis-64 text-faint text-sm">{t("studio.encoder.offer_hint")}</p>
          </div>
        </>
      )}
      {failed && (
        <p role="alert" className="text-danger text-sm" data-testid="takeover-error">
          {errorText(t, failed)}
        </p>
      )}
    </div>
  );
}
