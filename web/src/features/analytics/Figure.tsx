import { Table as TableIcon } from "lucide-react";
import { lazy, memo, Suspense, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { type Line, spread } from "./numbers";
import type { PlotProps } from "./Plot";

/** Drawing comes after the page stands. */
const Plot = lazy(() => import("./Plot"));

const SWATCHES: Record<string, string> = {
  now: "bg-melt h-2.5 w-2.5 rounded-[2px]",
  before: "h-2.5 w-2.5 rounded-[2px] border border-faint bg-line",
  second: "h-0 w-3.5 border-warn border-t-2 border-dashed",
};

type FigureProps = PlotProps & {
  id: string;
  title: string;
  note?: string;
  /** What each line is. */
  names: Record<string, string>;
  /** What each row is, such as a date. */
  rowName: string;
  rows: readonly string[];
};

/** A graph, its extremes in words, and its numbers as a table beside it. */
export const Figure = memo(function Figure({ id, title, note, names, rowName, rows, ...plot }: FigureProps) {
  const { t } = useTranslation();
  const [isTable, setTable] = useState(false);
  const tableId = useId();
  const { max, mean } = spread(plot.lines[0]?.values ?? []);
  return (
    <figure
      className="@container min-w-0 rounded-lg border border-line bg-surface p-5 sm:p-6"
      data-testid={`figure-${id}`}
    >
      <figcaption className="mb-3 flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0 flex-1 basis-48">
          <h2 className="font-bold text-lg leading-tight">{title}</h2>
          <p className="mt-1 text-soft text-sm">
            {max === null
              ? t("analytics.no_numbers")
              : t("analytics.spread", { max: plot.show(max), mean: plot.show(mean ?? 0) })}
            {note && ` ${note}`}
          </p>
        </div>
        <Button
          size="s"
          aria-expanded={isTable}
          aria-controls={tableId}
          aria-label={
            isTable ? t("analytics.hide_table_of", { title }) : t("analytics.show_table_of", { title })
          }
          onClick={() => setTable(!isTable)}
          data-testid={`table-toggle-${id}`}
        >
          <TableIcon />
          {isTable ? t("analytics.hide_table") : t("analytics.show_table")}
        </Button>
      </figcaption>
      {plot.lines.length > 1 && (
        <ul className="mb-2 flex flex-wrap gap-x-5 gap-y-1 text-soft text-xs">
          {plot.lines.map(({ key }) => (
            <li key={key} className="inline-flex items-center gap-2">
              <span aria-hidden="true" className={cx("inline-block", SWATCHES[key])} />
              {names[key]}
            </li>
          ))}
        </ul>
      )}
      <div className={cx("grid gap-4", isTable && "@3xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]")}>
        <Suspense fallback={<Skeleton className="h-44" />}>
          <Plot {...plot} />
        </Suspense>
        <div id={tableId} hidden={!isTable} className="min-w-0">
          {isTable && (
            <Numbers
              title={title}
              names={names}
              rowName={rowName}
              rows={rows}
              lines={plot.lines}
              show={plot.show}
            />
          )}
        </div>
      </div>
    </figure>
  );
});

function Numbers({
  title,
  names,
  rowName,
  rows,
  lines,
  show,
}: {
  title: string;
  names: Record<string, string>;
  rowName: string;
  rows: readonly string[];
  lines: readonly Line[];
  show: (value: number) => string;
}) {
  const { t } = useTranslation();
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={t("analytics.table_of", { title })}
      className="relative max-h-64 w-full overflow-auto rounded-md border border-line"
    >
      <table className="tabular w-full text-sm">
        <caption className="sr-only">{t("analytics.table_of", { title })}</caption>
        <thead className="sticky top-0 bg-raised align-bottom leading-tight">
          <tr>
            <th scope="col" className="px-3 py-2 text-left font-semibold">
              {rowName}
            </th>
            {lines.map(({ key }) => (
              <th key={key} scope="col" className="px-3 py-2 text-right font-semibold">
                {names[key]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="whitespace-nowrap font-mono text-[13px]">
          {rows.map((row, i) => (
            <tr key={i} className="border-line border-t">
              <th scope="row" className="px-3 py-1.5 text-left font-normal text-soft">
                {row}
              </th>
              {lines.map(({ key, values }) => {
                const value = values[i] ?? null;
                return (
                  <td key={key} className="px-3 py-1.5 text-right">
                    {value === null ? <Unknown /> : show(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Nobody counted: not a zero. */
export function Unknown() {
  const { t } = useTranslation();
  return (
    <>
      <span aria-hidden="true">–</span>
      <span className="sr-only">{t("analytics.unknown")}</span>
    </>
  );
}
