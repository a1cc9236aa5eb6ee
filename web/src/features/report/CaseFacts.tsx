import { useTranslation } from "react-i18next";
import type { ReportCase } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { ago } from "@/lib/time";

/** What was reported, why, by how many, and what became of it. */
export function CaseFacts({ one, isDesk = false }: { one: ReportCase; isDesk?: boolean }) {
  const { t } = useTranslation();
  const lang = useLang();
  const reasons = one.reasons.map((reason) => t(`report.reasons.${reason as "other"}`));
  return (
    <div className="min-w-0 [overflow-wrap:anywhere]">
      <p className="font-semibold">
        {one.accused}{" "}
        <span className="font-normal text-faint text-xs">
          {!isDesk && t(`report.kind.${one.kind}`)}
          {one.kind === "line" &&
            one.channel &&
            !isDesk &&
            ` · ${t("report.in_channel", { name: one.channel })}`}
        </span>
      </p>
      {one.excerpt && <p className="my-0.5">{one.excerpt}</p>}
      <p className="text-soft">
        {t("report.voices", { count: one.voices })}
        {reasons.length > 0 && ` · ${reasons.join(", ")}`}
      </p>
      {one.notes.length > 0 && (
        <ul className="mt-1 flex flex-col gap-0.5 border-line border-l-2 pl-2 text-soft">
          {[...new Set(one.notes)].map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      <p className="mt-0.5 text-faint text-xs">
        {ago(one.opened_at, lang)}
        {one.reporters &&
          one.reporters.length > 0 &&
          ` · ${t("report.by", { names: one.reporters.join(", ") })}`}
        {one.escalated_by && ` · ${t("report.escalated_by", { name: one.escalated_by })}`}
        {one.decided_by &&
          one.state !== "open" &&
          ` · ${t(`report.decided.${one.state}`, { name: one.decided_by })}`}
        {one.answer && `: ${one.answer}`}
      </p>
    </div>
  );
}
