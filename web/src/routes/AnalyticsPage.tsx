// What a broadcaster looks at on the day after: a channel over days, and its streams.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { ChannelAnalytics } from "@/api/types";
import { CsvButton } from "@/features/analytics/CsvButton";
import { faultOf, lastDays, type Range } from "@/features/analytics/numbers";
import { Graphs, Sums } from "@/features/analytics/Period";
import { analytics, rangeCsv } from "@/features/analytics/queries";
import { RangePicker } from "@/features/analytics/RangePicker";
import { SourcesPanel } from "@/features/analytics/SourcesPanel";
import { StreamsTable } from "@/features/analytics/StreamsTable";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/studio/analytics");

export function AnalyticsPage() {
  return <RequireUser>{() => <Analytics />}</RequireUser>;
}

/** The range of the address, or the usual one. */
function useRange(): { range: Range; now: number } {
  const { from, to } = route.useSearch();
  // Days change at midnight; a page does not move under its reader.
  const [now] = useState(() => Date.now());
  const usual = lastDays(28, now);
  const asked = from && to ? { from, to } : usual;
  return { range: faultOf(asked) ? usual : asked, now };
}

function Analytics() {
  const { t } = useTranslation();
  const { range, now } = useRange();
  const { compare = true } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery({ ...analytics(range), placeholderData: keepPreviousData });
  const { data } = query;
  return (
    <div className="container-page flex max-w-[1240px] flex-col gap-6 pt-8 pb-16">
      <div className="-mb-6">
        <PageHead title={t("analytics.title")}>
          <Link to="/studio" className={buttonClass("soft", "s")}>
            <ArrowLeft />
            {t("analytics.to_studio")}
          </Link>
        </PageHead>
      </div>
      <RangePicker
        range={range}
        now={now}
        isCompared={compare}
        onRange={({ from, to }) => void navigate({ search: (old) => ({ ...old, from, to }), replace: true })}
        onCompare={(isOn) =>
          void navigate({ search: (old) => ({ ...old, compare: isOn ? undefined : false }), replace: true })
        }
      />
      {query.isPending && <Loading />}
      {query.isError && !data && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {query.isError && data && (
        <p role="status" className="rounded-md bg-warn-wash px-4 py-2.5 text-sm text-warn">
          {t("analytics.stale")}
        </p>
      )}
      {data && (
        <div
          aria-busy={query.isPlaceholderData}
          className="flex flex-col gap-6 transition-opacity aria-busy:opacity-60"
          data-testid="analytics"
          data-ready={!query.isPlaceholderData}
        >
          <Overview data={data} isCompared={compare} />
        </div>
      )}
    </div>
  );
}

function Loading() {
  return (
    <div className="flex flex-col gap-6" data-testid="analytics-loading">
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {[1, 2, 3, 4, 5, 6, 7, 8].map((n) => (
          <Skeleton key={n} className="h-28" />
        ))}
      </div>
      <Skeleton className="h-72" />
      <Skeleton className="h-72" />
    </div>
  );
}

function Overview({ data, isCompared }: { data: ChannelAnalytics; isCompared: boolean }) {
  const { t } = useTranslation();
  const { range, before } = data;
  const isNothing = range.totals.streams === 0 && range.totals.on_air_s === 0;
  const name = (what: string) => `analytics-${what}-${range.from}-${range.to}`;
  return (
    <>
      {isNothing && (
        <Empty title={t("analytics.empty")}>
          <p data-testid="analytics-empty">{t("analytics.empty_text")}</p>
        </Empty>
      )}
      <Sums range={range} before={isCompared ? before : null} />
      <section>
        <SectionHead
          title={t("analytics.by_day")}
          action={
            <CsvButton
              label={t("analytics.csv_of", { title: t("analytics.by_day") })}
              name={name("days")}
              ask={() => rangeCsv(range, "days")}
            />
          }
        />
        <Graphs range={range} before={isCompared ? before : null} />
      </section>
      <SourcesPanel
        sources={data.sources}
        action={
          <CsvButton
            label={t("analytics.csv_of", { title: t("analytics.sources.title") })}
            name={name("sources")}
            ask={() => rangeCsv(range, "sources")}
          />
        }
      />
      <StreamsTable data={data} name={name("streams")} />
    </>
  );
}
