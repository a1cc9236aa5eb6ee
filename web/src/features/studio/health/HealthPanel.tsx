import { Activity, CircleAlert, CircleCheck, CircleHelp, Info, TriangleAlert, WifiOff } from "lucide-react";
import { lazy, Suspense, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import type { IngestFinding, IngestSample, Stream } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Segmented } from "@/ui/segmented";
import { Panel } from "../Panel";
import { SampleTable } from "./SampleTable";
import { GRAPHS, type GraphName, isKnown, type Lamp, LINES, spread } from "./series";
import { RANGES, type Range, useIngestHealth } from "./useIngestHealth";

/** Drawing comes after the page stands. */
const Graph = lazy(() => import("./Graph"));

const LOOKS: Record<Lamp, { icon: typeof CircleCheck; box: string; ink: string }> = {
  good: { icon: CircleCheck, box: "border-good/50 bg-good-wash", ink: "text-good" },
  ok: { icon: TriangleAlert, box: "border-warn/50 bg-warn-wash", ink: "text-warn" },
  bad: { icon: CircleAlert, box: "border-danger/50 bg-danger-wash", ink: "text-danger" },
  noData: { icon: WifiOff, box: "border-line bg-raised", ink: "text-soft" },
  unknown: { icon: CircleHelp, box: "border-line bg-raised", ink: "text-soft" },
};
const SEVERITIES = {
  error: { icon: CircleAlert, ink: "text-danger" },
  warning: { icon: TriangleAlert, ink: "text-warn" },
  info: { icon: Info, ink: "text-soft" },
} as const;

/** How the broadcaster's media arrives: a lamp, what to change, and graphs. */
export function HealthPanel({ live }: { live: Stream }) {
  const { t } = useTranslation();
  const [range, setRange] = useState<Range>("short");
  const [isTable, setTable] = useState(false);
  const tableId = useId();
  const health = useIngestHealth(live.id, range, live.status === "reconnecting");
  const { query, samples, stepS } = health;
  return (
    <Panel
      title={t("studio.health.title")}
      action={
        <Button
          size="s"
          aria-expanded={isTable}
          aria-controls={tableId}
          onClick={() => setTable(!isTable)}
          data-testid="health-table-toggle"
        >
          {isTable ? t("studio.health.hide_table") : t("studio.health.show_table")}
        </Button>
      }
    >
      <div data-testid="ingest-health" data-verdict={health.lamp} className="flex flex-col gap-5">
        {query.isPending && (
          <div className="flex flex-col gap-4" data-testid="health-loading">
            <Skeleton className="h-20" />
            <Skeleton className="h-40" />
          </div>
        )}
        {query.isError && !query.data && (
          <ErrorState error={query.error} onRetry={() => void query.refetch()} />
        )}
        {!query.isPending && (
          <>
            <LampBox lamp={health.lamp} newest={health.newest} isLineUp={health.isLineUp} />
            <Issues issues={health.issues} />
          </>
        )}
        {query.data && (
          <>
            <Segmented
              label={t("studio.health.range")}
              value={range}
              options={(Object.keys(RANGES) as Range[]).map((value) => ({
                value,
                label: t(`studio.health.ranges.${value}`),
              }))}
              onChange={setRange}
            />
            {samples.length === 0 ? (
              <p className="flex items-center gap-2 text-soft" data-testid="health-empty">
                <Activity aria-hidden="true" className="size-5 shrink-0" />
                {t("studio.health.empty")}
              </p>
            ) : (
              <div className="grid @2xl:grid-cols-2 gap-x-6 gap-y-5">
                {GRAPHS.map((name) => (
                  <Figure key={name} name={name} samples={samples} stepS={stepS} />
                ))}
              </div>
            )}
            {stepS > 1 && (
              <p className="text-faint text-sm">{t("studio.health.worst_of", { count: stepS })}</p>
            )}
          </>
        )}
        <div id={tableId} hidden={!isTable}>
          {isTable && <SampleTable samples={samples} />}
        </div>
      </div>
    </Panel>
  );
}

function LampBox({
  lamp,
  newest,
  isLineUp,
}: {
  lamp: Lamp;
  newest: IngestSample | undefined;
  isLineUp: boolean;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const { icon: Icon, box, ink } = LOOKS[lamp];
  return (
    <div
      className={cx(
        "flex flex-wrap items-center gap-x-5 gap-y-2 rounded-md border px-4 py-3 transition-colors duration-300",
        box,
      )}
    >
      <Icon aria-hidden="true" className={cx("size-7 shrink-0", ink)} />
      <div role="status" className="min-w-0 flex-1 basis-56">
        <p className="font-bold font-display text-lg leading-tight" data-testid="health-verdict">
          {t(`studio.health.verdict.${lamp}.title`)}
        </p>
        <p className="text-soft text-sm">
          {lamp === "unknown" && !isLineUp
            ? t("studio.health.line_down")
            : t(`studio.health.verdict.${lamp}.text`)}
        </p>
      </div>
      {newest && lamp !== "noData" && lamp !== "unknown" && (
        <p className="tabular font-medium font-mono text-[13px] text-soft" data-testid="health-now">
          {t("studio.health.now", {
            kbps: number.format(newest.video_kbps + newest.audio_kbps),
            fps: number.format(newest.fps),
          })}
        </p>
      )}
    </div>
  );
}

function Issues({ issues }: { issues: readonly IngestFinding[] }) {
  const { t } = useTranslation();
  if (issues.length === 0) return null;
  return (
    <ul className="flex flex-col gap-3" data-testid="health-issues">
      {issues.map(({ type, severity }) => {
        if (!isKnown(type)) return null;
        const { icon: Icon, ink } = SEVERITIES[severity];
        return (
          <li
            key={type}
            className="flex items-start gap-3"
            data-testid={`issue-${type}`}
            data-severity={severity}
          >
            <Icon aria-hidden="true" className={cx("mt-0.5 size-5 shrink-0", ink)} />
            <div className="min-w-0">
              <p className="font-semibold">
                {t(`studio.health.issue.${type}.title`)}
                <span className={cx("ml-2 whitespace-nowrap font-medium text-sm", ink)}>
                  {t(`studio.health.severity.${severity}`)}
                </span>
              </p>
              <p className="max-w-prose text-soft text-sm">{t(`studio.health.issue.${type}.advice`)}</p>
            </div>
          </li>
        );
      })}
    </ul>
  );
}

const INKS = ["bg-melt", "bg-warn"];

function Figure({
  name,
  samples,
  stepS,
}: {
  name: GraphName;
  samples: readonly IngestSample[];
  stepS: number;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const show = (value: number | null) => (value === null ? "–" : number.format(value));
  return (
    <figure className="min-w-0" data-testid={`graph-${name}`}>
      <figcaption className="mb-1 flex flex-wrap items-baseline justify-between gap-x-4">
        <span className="font-semibold text-sm">
          {t(`studio.health.graph.${name}.title`)}
          <span className="ml-1.5 font-normal text-faint">{t(`studio.health.graph.${name}.unit`)}</span>
        </span>
        <span className="tabular flex flex-wrap gap-x-3 font-mono text-soft text-xs">
          {LINES[name].map((line, i) => {
            const { last, min, max } = spread(samples, line);
            return (
              <span key={line.key} className="inline-flex items-center gap-1.5">
                <span aria-hidden="true" className={cx("h-0.5 w-3", INKS[i])} />
                {LINES[name].length > 1 && t(`studio.health.line.${line.key}`)} {show(last)}
                <span className="sr-only">
                  {t("studio.health.spread", { min: show(min), max: show(max) })}
                </span>
              </span>
            );
          })}
        </span>
      </figcaption>
      <Suspense fallback={<Skeleton className="h-[132px]" />}>
        <Graph name={name} samples={samples} stepS={stepS} />
      </Suspense>
    </figure>
  );
}
