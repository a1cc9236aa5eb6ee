// What a broadcaster looks at on the day after: a channel over days, and its streams.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowLeft, ChartLine } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ChannelAnalytics } from "@/api/types";
import { CsvButton } from "@/features/analytics/CsvButton";
import { Figure, Unknown } from "@/features/analytics/Figure";
import {
  type Day,
  dayLines,
  faultOf,
  lastDays,
  lengthOf,
  onAirOnly,
  PRESETS,
  presetOf,
  type Range,
  startOf,
  watched,
} from "@/features/analytics/numbers";
import { analytics, rangeCsv } from "@/features/analytics/queries";
import { SourcesPanel } from "@/features/analytics/SourcesPanel";
import { Tiles } from "@/features/analytics/Tiles";
import { useLang } from "@/i18n/useLang";
import { whole } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { TextField } from "@/ui/field";
import { Segmented } from "@/ui/segmented";
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
      <RangePicker range={range} now={now} />
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

function RangePicker({ range, now }: { range: Range; now: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  const navigate = route.useNavigate();
  const { compare = true } = route.useSearch();
  const preset = presetOf(range, now);
  const [isOwn, setOwn] = useState(preset === null);
  const [typed, setTyped] = useState(range);
  const [isAsked, setAsked] = useState(false);
  const fault = faultOf(typed);
  const go = (next: Range) =>
    void navigate({ search: (old) => ({ ...old, from: next.from, to: next.to }), replace: true });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (!fault) go(typed);
  };
  const format = new Intl.DateTimeFormat(lang, { timeZone: "UTC", dateStyle: "medium" });
  return (
    <search className="flex flex-col gap-4" aria-label={t("analytics.range.title")}>
      <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
        <Segmented
          label={t("analytics.range.title")}
          value={isOwn ? "own" : String(preset ?? "own")}
          options={[
            ...PRESETS.map((count) => ({
              value: String(count),
              label: t("analytics.range.days", { count }),
            })),
            { value: "own", label: t("analytics.range.own") },
          ]}
          onChange={(value) => {
            setOwn(value === "own");
            if (value === "own") return setTyped(range);
            setAsked(false);
            go(lastDays(Number(value), now));
          }}
        />
        <label className="flex min-h-8 items-center gap-2.5 text-sm">
          <input
            type="checkbox"
            checked={compare}
            onChange={(event) =>
              void navigate({
                search: (old) => ({ ...old, compare: event.target.checked ? undefined : false }),
                replace: true,
              })
            }
            className="size-4 accent-[var(--melt)]"
            data-testid="compare"
          />
          {t("analytics.range.compare", { count: lengthOf(range) })}
        </label>
      </div>
      {isOwn && (
        <form onSubmit={submit} className="flex flex-wrap items-end gap-3" noValidate>
          {(["from", "to"] as const).map((end) => (
            <div key={end} className="w-44 max-w-full">
              <TextField
                label={t(`analytics.range.${end}`)}
                type="date"
                value={typed[end]}
                onChange={(event) => setTyped({ ...typed, [end]: event.target.value })}
                required
                data-testid={`range-${end}`}
              />
            </div>
          ))}
          <Button type="submit" look="solid" className="h-11" data-testid="range-show">
            {t("analytics.range.show")}
          </Button>
          {isAsked && fault && (
            <p role="alert" className="w-full text-danger text-sm">
              {t(`analytics.range.fault.${fault}`)}
            </p>
          )}
        </form>
      )}
      <p className="text-faint text-sm">
        {t("analytics.range.shown", {
          from: format.format(startOf(range.from)),
          to: format.format(startOf(range.to)),
        })}
      </p>
    </search>
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
          <ChartLine className="mb-2 size-6 text-faint" aria-hidden="true" />
          <p data-testid="analytics-empty">{t("analytics.empty_text")}</p>
        </Empty>
      )}
      <Sums range={range} before={isCompared ? before : null} />
      <Graphs range={range} before={isCompared ? before : null} />
      <div className="flex justify-end">
        <CsvButton
          label={t("analytics.csv_of", { title: t("analytics.days") })}
          name={name("days")}
          ask={() => rangeCsv(range, "days")}
          isAlone
        />
      </div>
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
      <Streams data={data} name={name("streams")} />
    </>
  );
}

type Period = ChannelAnalytics["range"];

function Sums({ range: { totals }, before }: { range: Period; before: Period | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  const plain = (value: number) => whole(value, lang);
  const tenths = (value: number) => new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(value);
  const time = (value: number) => watched(value, lang);
  const was = <T,>(of: (totals: Period["totals"]) => T) => (before ? { before: of(before.totals) } : {});
  return (
    <Tiles
      tiles={[
        {
          id: "watch",
          label: t("analytics.watch_time"),
          value: totals.watch_s,
          ...was((sums) => sums.watch_s),
          show: time,
          note: totals.uncounted_s > 0 && t("analytics.uncounted", { time: time(totals.uncounted_s) }),
        },
        {
          id: "peak",
          label: t("analytics.peak"),
          value: totals.peak_viewers,
          ...was((sums) => sums.peak_viewers),
          show: plain,
        },
        {
          id: "average",
          label: t("analytics.average"),
          value: totals.average_viewers,
          ...was((sums) => sums.average_viewers),
          show: tenths,
        },
        {
          id: "unique",
          label: t("analytics.unique"),
          value: totals.unique_viewers,
          ...was((sums) => sums.unique_viewers),
          show: plain,
          note:
            totals.unique_unknown > 0
              ? t("analytics.unique_unknown", { count: totals.unique_unknown })
              : t("analytics.unique_note"),
        },
        {
          id: "followers",
          label: t("analytics.new_followers"),
          value: totals.new_followers,
          ...was((sums) => sums.new_followers),
          show: plain,
        },
        {
          id: "chat",
          label: t("analytics.chat_lines"),
          value: totals.chat_lines,
          ...was((sums) => sums.chat_lines),
          show: plain,
        },
        {
          id: "streams",
          label: t("analytics.streams"),
          value: totals.streams,
          ...was((sums) => sums.streams),
          show: plain,
        },
        {
          id: "on-air",
          label: t("analytics.on_air"),
          value: totals.on_air_s,
          ...was((sums) => sums.on_air_s),
          show: time,
        },
      ]}
    />
  );
}

const GRAPHS = [
  ["peak", "peak", onAirOnly((day: Day) => day.peak_viewers)],
  ["watch", "watch_time", (day: Day) => day.watch_s / 3_600],
  ["followers", "new_followers", (day: Day) => day.new_followers],
  ["chat", "chat_lines", onAirOnly((day: Day) => day.chat_lines)],
] as const;

function Graphs({ range, before }: { range: Period; before: Period | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  const shared = useMemo(() => {
    const format = new Intl.DateTimeFormat(lang, { timeZone: "UTC", dateStyle: "medium" });
    return {
      times: range.days.map(({ date }) => startOf(date) / 1_000),
      rows: range.days.map(({ date }) => format.format(startOf(date))),
      plain: (value: number) => whole(Math.round(value * 10) / 10, lang),
      hours: (value: number) => watched(value * 3_600, lang),
    };
  }, [range, lang]);
  const lines = useMemo(
    () => GRAPHS.map(([, , of]) => dayLines(range.days, before?.days ?? null, of)),
    [range, before],
  );
  const names = useMemo(() => ({ now: t("analytics.line.now"), before: t("analytics.line.before") }), [t]);
  return (
    <div className="grid gap-6 lg:grid-cols-2">
      {GRAPHS.map(([id, title], i) => (
        <Figure
          key={id}
          id={id}
          title={t(`analytics.${title}`)}
          times={shared.times}
          lines={lines[i] ?? []}
          look="bars"
          scale="days"
          show={id === "watch" ? shared.hours : shared.plain}
          names={names}
          rowName={t("analytics.day")}
          rows={shared.rows}
        />
      ))}
    </div>
  );
}

function Streams({ data, name }: { data: ChannelAnalytics; name: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  const when = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
  const plain = (value: number | null) => (value === null ? <Unknown /> : whole(value, lang));
  const head = "px-3 py-2 font-semibold";
  if (data.streams.length === 0) return null;
  return (
    <section data-testid="analytics-streams">
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <h2 className="font-bold text-[22px] leading-tight tracking-tight">{t("analytics.streams")}</h2>
        <CsvButton
          label={t("analytics.csv_of", { title: t("analytics.streams") })}
          name={name}
          ask={() => rangeCsv(data.range, "streams")}
        />
      </div>
      <section
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label={t("analytics.streams")}
        className="max-h-[640px] overflow-auto rounded-lg border border-line bg-surface"
      >
        <table className="tabular w-full text-sm">
          <thead className="sticky top-0 z-10 whitespace-nowrap bg-raised">
            <tr>
              <th scope="col" className={`${head} text-left`}>
                {t("analytics.stream")}
              </th>
              {(
                ["on_air", "peak", "average", "unique", "watch_time", "chat_lines", "new_followers"] as const
              ).map((column) => (
                <th key={column} scope="col" className={`${head} text-right`}>
                  {t(`analytics.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.streams.map(({ id, title, started_at, ended_at, totals }) => (
              <tr key={id} className="border-line border-t" data-testid="analytics-stream">
                <th scope="row" className="min-w-52 px-3 py-2.5 text-left font-normal">
                  <Link
                    to="/studio/analytics/$stream"
                    params={{ stream: id }}
                    className="line-clamp-2 font-semibold hover:underline [overflow-wrap:anywhere]"
                  >
                    {title}
                  </Link>
                  <span className="block text-faint text-xs">
                    {when.format(new Date(started_at))}
                    {!ended_at && ` · ${t("analytics.on_air_now")}`}
                  </span>
                </th>
                <td className="whitespace-nowrap px-3 text-right font-mono">
                  {watched(totals.on_air_s, lang)}
                </td>
                <td className="px-3 text-right font-mono">{plain(totals.peak_viewers)}</td>
                <td className="px-3 text-right font-mono">{plain(totals.average_viewers)}</td>
                <td className="px-3 text-right font-mono">{plain(totals.unique_viewers)}</td>
                <td className="whitespace-nowrap px-3 text-right font-mono">
                  {watched(totals.watch_s, lang)}
                </td>
                <td className="px-3 text-right font-mono">{plain(totals.chat_lines)}</td>
                <td className="px-3 text-right font-mono">{plain(totals.new_followers)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {data.is_cut && (
        <p className="mt-3 text-faint text-sm">{t("analytics.cut", { count: data.streams.length })}</p>
      )}
    </section>
  );
}
