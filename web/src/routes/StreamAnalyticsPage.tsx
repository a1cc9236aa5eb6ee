// One stream, minute by minute.
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import type { AnalyticsStep, StreamAnalytics } from "@/api/types";
import { CsvButton } from "@/features/analytics/CsvButton";
import { Figure } from "@/features/analytics/Figure";
import { chatRate, gapsOf, timesOf, watched } from "@/features/analytics/numbers";
import { streamAnalytics, streamCsv } from "@/features/analytics/queries";
import { SourcesPanel } from "@/features/analytics/SourcesPanel";
import { Tiles } from "@/features/analytics/Tiles";
import { useLang } from "@/i18n/useLang";
import { whole } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, LiveBadge, SectionHead, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { NotFound } from "./problems";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/studio/analytics/$stream");

export function StreamAnalyticsPage() {
  return <RequireUser>{() => <Page />}</RequireUser>;
}

function Page() {
  const { t } = useTranslation();
  const { stream: id } = route.useParams();
  const query = useQuery(streamAnalytics(id));
  const { data } = query;
  if (query.isError && !data && ApiError.of(query.error).status === 404) return <NotFound />;
  return (
    <div className="container-page flex max-w-[1240px] flex-col gap-6 pt-8 pb-16">
      <div className="-mb-6">
        <PageHead title={data?.stream.title ?? t("analytics.title")}>
          <Link to="/studio/analytics" className={buttonClass("soft", "s")}>
            <ArrowLeft />
            {t("analytics.to_range")}
          </Link>
        </PageHead>
      </div>
      {query.isPending && (
        <div className="flex flex-col gap-6" data-testid="analytics-loading">
          <Skeleton className="h-28" />
          <Skeleton className="h-72" />
        </div>
      )}
      {query.isError && !data && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {query.isError && data && (
        <p role="status" className="rounded-md bg-warn-wash px-4 py-2.5 text-sm text-warn">
          {t("analytics.stale")}
        </p>
      )}
      {data && <Stream data={data} />}
    </div>
  );
}

function Stream({ data }: { data: StreamAnalytics }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { stream, items } = data;
  const { totals } = stream;
  const when = new Intl.DateTimeFormat(lang, { dateStyle: "long", timeStyle: "short" });
  const plain = (value: number) => whole(value, lang);
  const tenths = (value: number) => new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(value);
  const time = (value: number) => watched(value, lang);
  const gaps = gapsOf(items);
  return (
    <>
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1 text-soft" data-testid="stream-analytics">
        {data.is_live && <LiveBadge />}
        {t("analytics.began", { when: when.format(new Date(stream.started_at)) })}
      </p>
      <Tiles
        tiles={[
          { id: "peak", label: t("analytics.peak"), value: totals.peak_viewers, show: plain },
          { id: "average", label: t("analytics.average"), value: totals.average_viewers, show: tenths },
          { id: "unique", label: t("analytics.unique_one"), value: totals.unique_viewers, show: plain },
          {
            id: "watch",
            label: t("analytics.watch_time"),
            value: totals.watch_s,
            show: time,
            note: totals.uncounted_s > 0 && t("analytics.uncounted", { time: time(totals.uncounted_s) }),
          },
          { id: "on-air", label: t("analytics.on_air"), value: totals.on_air_s, show: time },
          { id: "chat", label: t("analytics.chat_lines"), value: totals.chat_lines, show: plain },
          {
            id: "chat-rate",
            label: t("analytics.chat_rate"),
            value: chatRate(totals.chat_lines, totals.on_air_s),
            show: tenths,
          },
          { id: "followers", label: t("analytics.new_followers"), value: totals.new_followers, show: plain },
        ]}
      />
      {data.is_thinned && <p className="text-soft text-sm">{t("analytics.thinned")}</p>}
      {items.length === 0 ? (
        <Empty title={t("analytics.no_minutes")}>
          <p>{data.is_live ? t("analytics.no_minutes_yet") : t("analytics.no_minutes_text")}</p>
        </Empty>
      ) : (
        <section>
          <SectionHead
            title={t("analytics.by_minute")}
            action={
              <CsvButton
                label={t("analytics.csv_of", { title: t("analytics.by_minute") })}
                name={`stream-${stream.id}`}
                ask={() => streamCsv(stream.id)}
              />
            }
          />
          <Graphs
            items={items}
            note={gaps.count > 0 ? t("analytics.gaps", { count: gaps.steps * data.step_minutes }) : undefined}
          />
        </section>
      )}
      {data.step_minutes > 1 && items.length > 0 && (
        <p className="text-faint text-sm">{t("analytics.steps", { count: data.step_minutes })}</p>
      )}
      <SourcesPanel sources={data.sources} />
    </>
  );
}

function Graphs({ items, note }: { items: readonly AnalyticsStep[]; note: string | undefined }) {
  const { t } = useTranslation();
  const lang = useLang();
  const shared = useMemo(() => {
    const format = new Intl.DateTimeFormat(lang, { dateStyle: "short", timeStyle: "short" });
    return {
      times: timesOf(items),
      rows: items.map(({ at }) => format.format(new Date(at))),
      show: (value: number) => whole(Math.round(value * 10) / 10, lang),
      viewers: [
        { key: "now", values: items.map(({ viewers }) => viewers) },
        { key: "second", values: items.map(({ players }) => players) },
      ],
      connections: [{ key: "now", values: items.map(({ connections }) => connections) }],
      chat: [{ key: "now", values: items.map(({ chat_lines }) => chat_lines) }],
      followers: [{ key: "now", values: items.map(({ new_followers }) => new_followers) }],
    };
  }, [items, lang]);
  const plot = {
    times: shared.times,
    rows: shared.rows,
    show: shared.show,
    look: "line",
    scale: "minutes",
    rowName: t("analytics.moment"),
  } as const;
  const names = useMemo(
    () => ({
      viewers: { now: t("analytics.viewers"), second: t("analytics.players") },
      connections: { now: t("analytics.connections") },
      chat: { now: t("analytics.chat_lines") },
      followers: { now: t("analytics.new_followers") },
    }),
    [t],
  );
  return (
    <div className="flex flex-col gap-6">
      <Figure
        {...plot}
        id="viewers"
        title={t("analytics.viewers_over")}
        lines={shared.viewers}
        names={names.viewers}
        note={note}
      />
      <div className="grid gap-6 lg:grid-cols-2 lg:[&>:last-child:nth-child(odd)]:col-span-2">
        <Figure {...plot} id="chat" title={t("analytics.chat_over")} lines={shared.chat} names={names.chat} />
        <Figure
          {...plot}
          id="followers"
          title={t("analytics.followers_over")}
          lines={shared.followers}
          names={names.followers}
        />
        <Figure
          {...plot}
          id="connections"
          title={t("analytics.connections_over")}
          lines={shared.connections}
          names={names.connections}
        />
      </div>
    </div>
  );
}
