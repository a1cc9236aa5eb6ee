import { X } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { CopyButton } from "@/ui/copy";
import type { Mediator } from "./mediator";
import { type Row, rowsOf } from "./stats";

const EVERY_MS = 1_000;

/** The figures, once a second, silently. */
export function Stats({ mediator, onClose }: { mediator: Mediator; onClose: () => void }) {
  const { t } = useTranslation();
  const [rows, setRows] = useState<Row[]>(() => rowsOf(mediator.figures()));
  useEffect(() => {
    const timer = setInterval(() => setRows(rowsOf(mediator.figures())), EVERY_MS);
    return () => clearInterval(timer);
  }, [mediator]);
  const text = rows.map(({ key, value }) => `${key}: ${value}`).join("\n");
  return (
    <section className="player-stats" aria-label={t("player.stats.title")} data-testid="stats">
      <dl className="tabular">
        {rows.map(({ key, value }) => (
          <div key={key} data-row={key}>
            <dt>{t(`player.stats.${key}`)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div className="player-stats-tools">
        <CopyButton text={text} label={t("player.stats.copy")} testId="stats-copy" />
        <button
          type="button"
          className="player-tool"
          aria-label={t("actions.close")}
          onClick={onClose}
          data-testid="stats-close"
        >
          <X />
        </button>
      </div>
    </section>
  );
}
