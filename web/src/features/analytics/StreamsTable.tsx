import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { ChannelAnalytics } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { whole } from "@/lib/time";
import { SectionHead } from "@/ui/bits";
import { CsvButton } from "./CsvButton";
import { Unknown } from "./Figure";
import { watched } from "./numbers";
import { rangeCsv } from "./queries";

/** Every stream of a range, the latest first; its title leads to what is known of it alone. */
export function StreamsTable({ data, name }: { data: ChannelAnalytics; name: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  const when = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
  const tenths = new Intl.NumberFormat(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const plain = (value: number | null) => (value === null ? <Unknown /> : whole(value, lang));
  const head = "px-3 py-2 font-semibold leading-tight";
  if (data.streams.length === 0) return null;
  return (
    <section data-testid="analytics-streams">
      <SectionHead
        title={t("analytics.streams")}
        action={
          <CsvButton
            label={t("analytics.csv_of", { title: t("analytics.streams") })}
            name={name}
            ask={() => rangeCsv(data.range, "streams")}
          />
        }
      />
      <section
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label={t("analytics.streams")}
        className="relative max-h-[640px] overflow-auto rounded-lg border border-line bg-surface"
      >
        <table className="tabular w-full text-sm">
          <thead className="sticky top-0 z-10 bg-raised align-bottom">
            <tr>
              <th scope="col" className={`${head} sticky left-0 bg-raised text-left`}>
                {t("analytics.stream")}
              </th>
              {(
                ["on_air", "peak", "average", "unique", "watch_time", "chat_lines", "new_followers"] as const
              ).map((column) => (
                <th key={column} scope="col" className={`${head} min-w-[88px] text-right`}>
                  {t(`analytics.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.streams.map(({ id, title, started_at, ended_at, totals }) => (
              <tr key={id} className="border-line border-t" data-testid="analytics-stream">
                <th
                  scope="row"
                  className="sticky left-0 min-w-44 bg-surface px-3 py-2.5 text-left font-normal sm:min-w-52"
                >
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
                <td className="px-3 text-right font-mono">
                  {totals.average_viewers === null ? <Unknown /> : tenths.format(totals.average_viewers)}
                </td>
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
