import { ArrowDownRight, ArrowUpRight, Equal } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { type Change, changeOf } from "./numbers";

export type Tile = {
  id: string;
  label: string;
  value: number | null;
  /** Left out: there is nothing to compare with. */
  before?: number | null;
  show: (value: number) => string;
  note?: ReactNode;
  /** There was nothing to count: not a number that is missing. */
  isNothing?: boolean;
};

/** The few numbers people come for. */
export function Tiles({ tiles }: { tiles: readonly Tile[] }) {
  const { t } = useTranslation();
  return (
    <dl className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      {tiles.map(({ id, label, value, before, show, note, isNothing }) => (
        <div
          key={id}
          className="min-w-0 rounded-lg border border-line bg-surface p-4"
          data-testid={`tile-${id}`}
        >
          <dt className="text-soft text-sm">{label}</dt>
          <dd>
            <span className="tabular block font-bold font-display text-[26px] leading-tight">
              {value === null ? (
                <span className={cx("text-faint", !isNothing && "block text-lg leading-snug")}>
                  {isNothing ? "–" : t("analytics.unknown")}
                </span>
              ) : (
                show(value)
              )}
            </span>
            {before !== undefined && (
              <Moved change={changeOf(value, before)} was={before === null ? null : show(before)} />
            )}
            {note && <span className="mt-1 block text-faint text-xs">{note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

const MARKS = { up: ArrowUpRight, down: ArrowDownRight, same: Equal, new: ArrowUpRight } as const;

function Moved({ change, was }: { change: Change; was: string | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  if (!change || was === null) {
    return <span className="mt-1 block text-faint text-xs">{t("analytics.change.unknown")}</span>;
  }
  const Mark = MARKS[change.kind];
  const share =
    change.kind === "new"
      ? ""
      : new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 0 }).format(change.share);
  return (
    <span className="mt-1 flex items-start gap-x-1 text-soft text-xs">
      <Mark aria-hidden="true" className="mt-px size-3.5 shrink-0" />
      {t(`analytics.change.${change.kind}`, { share, was })}
    </span>
  );
}
