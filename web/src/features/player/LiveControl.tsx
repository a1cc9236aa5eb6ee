import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { clock, delay } from "@/lib/time";
import type { Mediator } from "./mediator";
import { useView } from "./useMediator";

/** Longer than this is told in minutes. */
const MINUTES_FROM_S = 60;

/** Live, and how far behind; one press leads back. */
export function LiveControl({ mediator }: { mediator: Mediator | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  const latencyS = useView(mediator, (view) => view.engine.latencyS);
  const isBehind = useView(mediator, (view) => view.engine.isBehind);
  const shown =
    latencyS === null
      ? ""
      : latencyS < MINUTES_FROM_S
        ? t("player.latency", { seconds: delay(latencyS, lang) })
        : clock(latencyS);
  return (
    <span className="flex items-center gap-1.5 px-1 text-[13px] text-white leading-none">
      <button
        type="button"
        className={cx("player-live", isBehind && "is-behind")}
        onClick={() => mediator?.request({ do: "live" })}
        aria-label={
          isBehind && latencyS !== null
            ? t("player.go_live_from", { behind: shown })
            : isBehind
              ? t("player.go_live")
              : t("player.at_live")
        }
        data-testid="go-live"
        data-behind={isBehind}
      >
        <span
          aria-hidden="true"
          className={cx("size-2 rounded-full", isBehind ? "bg-white/60" : "bg-[#ff5d4f]")}
        />
        {isBehind ? t("player.go_live") : t("live.badge")}
      </button>
      <span
        data-testid="latency"
        data-seconds={latencyS ?? ""}
        className="tabular font-mono text-white/85"
        title={t("player.latency_title")}
      >
        {isBehind && shown ? t("player.behind", { behind: shown }) : shown}
      </span>
    </span>
  );
}
