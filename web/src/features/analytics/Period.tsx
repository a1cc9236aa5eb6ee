// A range of days: its sums and its graphs.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { ChannelAnalytics } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { whole } from "@/lib/time";
import { Figure } from "./Figure";
import { type Day, dayLines, onAirOnly, startOf, watched } from "./numbers";
import { Tiles } from "./Tiles";

export type Period = ChannelAnalytics["range"];

/** The sums of a range, beside those of the range before it. */
export function Sums({ range: { totals }, before }: { range: Period; before: Period | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  const plain = (value: number) => whole(value, lang);
  const tenths = (value: number) => new Intl.NumberFormat(lang, { maximumFractionDigits: 1 }).format(value);
  const time = (value: number) => watched(value, lang);
  const isNothing = totals.on_air_s === 0;
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
          isNothing,
          label: t("analytics.peak"),
          value: totals.peak_viewers,
          ...was((sums) => sums.peak_viewers),
          show: plain,
        },
        {
          id: "average",
          isNothing,
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
          isNothing,
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

/** Its days, drawn. */
export function Graphs({ range, before }: { range: Period; before: Period | null }) {
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
