import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { AnalyticsSources } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { whole } from "@/lib/time";
import { shareOf } from "./numbers";

/** Where viewers came from: by which way, and from whose pages. */
export function SourcesPanel({ sources, action }: { sources: AnalyticsSources | null; action?: ReactNode }) {
  const { t } = useTranslation();
  const ways = sources
    ? ([
        ["pages", sources.pages],
        ["embeds", sources.embeds],
        ["players", sources.players],
      ] as const)
    : [];
  const all = ways.reduce((sum, [, count]) => sum + count, 0);
  const hosts = sources
    ? [
        ...sources.hosts.map(({ host, viewers }) => ({ name: host, count: viewers })),
        ...(sources.others > 0 ? [{ name: t("analytics.sources.others"), count: sources.others }] : []),
      ]
    : [];
  return (
    <section
      className="@container min-w-0 rounded-lg border border-line bg-surface p-5 sm:p-6"
      data-testid="sources"
    >
      <div className="mb-1 flex flex-wrap items-center justify-between gap-3">
        <h2 className="font-bold text-lg leading-tight">{t("analytics.sources.title")}</h2>
        {action}
      </div>
      <p className="mb-4 max-w-prose text-soft text-sm">{t("analytics.sources.text")}</p>
      {all === 0 ? (
        <p className="text-soft">{t("analytics.sources.none")}</p>
      ) : (
        <div className="grid @2xl:grid-cols-2 gap-x-8 gap-y-6">
          <Shares
            title={t("analytics.sources.way")}
            rows={ways.map(([way, count]) => ({ name: t(`analytics.sources.${way}`), count }))}
            all={all}
          />
          {hosts.length > 0 ? (
            <Shares title={t("analytics.sources.host")} rows={hosts} all={all} />
          ) : (
            <p className="text-soft text-sm">{t("analytics.sources.no_hosts")}</p>
          )}
        </div>
      )}
    </section>
  );
}

function Shares({
  title,
  rows,
  all,
}: {
  title: string;
  rows: readonly { name: string; count: number }[];
  all: number;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const percent = new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 0 });
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={title}
      className="max-h-80 min-w-0 overflow-auto"
    >
      <table className="tabular w-full text-sm">
        <thead>
          <tr className="text-faint text-xs">
            <th scope="col" className="pb-1 text-left font-medium">
              {title}
            </th>
            <th scope="col" className="pb-1 pl-3 text-right font-medium">
              {t("analytics.viewers")}
            </th>
            <th scope="col" className="pb-1 pl-3 text-right font-medium">
              {t("analytics.sources.share")}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, count }) => (
            <tr key={name} className="border-line border-t align-middle">
              <th scope="row" className="py-2 text-left font-medium [overflow-wrap:anywhere]">
                {name}
                <span aria-hidden="true" className="mt-1 block h-1.5 overflow-hidden rounded-full bg-sunken">
                  <span
                    className="block h-full rounded-full bg-melt"
                    style={{ width: `${shareOf(count, all) * 100}%` }}
                  />
                </span>
              </th>
              <td className="py-2 pl-3 text-right font-mono">{whole(count, lang)}</td>
              <td className="py-2 pl-3 text-right font-mono">{percent.format(shareOf(count, all))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
