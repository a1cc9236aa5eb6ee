import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { IngestSample } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { Button } from "@/ui/button";
import { isKnown } from "./series";

const PAGE = 60;

const COLUMNS = [
  ["video_kbps", (sample: IngestSample) => sample.video_kbps],
  ["audio_kbps", (sample: IngestSample) => sample.audio_kbps],
  ["fps", (sample: IngestSample) => sample.fps],
  ["keyframe_s", (sample: IngestSample) => (sample.keyframe_ms === null ? null : sample.keyframe_ms / 1_000)],
  ["av_offset_ms", (sample: IngestSample) => sample.av_offset_ms],
  ["audio_drift_ms", (sample: IngestSample) => sample.audio_drift_ms],
  ["delay_ms", (sample: IngestSample) => sample.delay_ms],
  ["queue_ms", (sample: IngestSample) => sample.queue_ms],
] as const;

/** What the graphs show, in numbers, the newest first. */
export function SampleTable({ samples }: { samples: readonly IngestSample[] }) {
  const { t } = useTranslation();
  const lang = useLang();
  const [count, setCount] = useState(PAGE);
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
  const time = new Intl.DateTimeFormat(lang, { dateStyle: "short", timeStyle: "medium" });
  const rows = samples.slice(-count).reverse();
  return (
    <div className="flex flex-col items-start gap-3">
      <section
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label={t("studio.health.table")}
        className="max-h-[420px] w-full overflow-auto rounded-md border border-line"
        data-testid="health-table"
      >
        <table className="tabular w-full whitespace-nowrap text-sm">
          <caption className="sr-only">{t("studio.health.table")}</caption>
          <thead className="sticky top-0 bg-raised">
            <tr>
              <th scope="col" className="px-3 py-2 text-left font-semibold">
                {t("studio.health.column.at")}
              </th>
              <th scope="col" className="px-3 py-2 text-left font-semibold">
                {t("studio.health.column.verdict")}
              </th>
              {COLUMNS.map(([key]) => (
                <th key={key} scope="col" className="px-3 py-2 text-right font-semibold">
                  {t(`studio.health.column.${key}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody className="font-mono text-[13px]">
            {rows.map((sample) => (
              <tr key={sample.at} className="border-line border-t">
                <th scope="row" className="px-3 py-1.5 text-left font-normal text-soft">
                  <time dateTime={sample.at}>{time.format(new Date(sample.at))}</time>
                </th>
                <td className="px-3 py-1.5">
                  {t(`studio.health.verdict.${sample.verdict}.short`)}
                  {sample.issues.length > 0 && (
                    <span className="text-faint">
                      {" · "}
                      {sample.issues
                        .map(({ type }) => type)
                        .filter(isKnown)
                        .map((type) => t(`studio.health.issue.${type}.title`))
                        .join(", ")}
                    </span>
                  )}
                </td>
                {COLUMNS.map(([key, of]) => {
                  const value = sample.verdict === "noData" ? null : of(sample);
                  return (
                    <td key={key} className="px-3 py-1.5 text-right">
                      {value === null ? "–" : number.format(value)}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {samples.length > count && (
        <Button size="s" onClick={() => setCount(count + PAGE * 5)}>
          {t("actions.more")}
        </Button>
      )}
    </div>
  );
}
