import { RotateCw, WifiOff } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useNow } from "@/lib/useNow";
import { Button } from "@/ui/button";
import type { Mediator } from "./mediator";
import { Screen } from "./Screen";
import { useView } from "./useMediator";
import { useOnline } from "./useOnline";

/** Why there is no picture, as far as the player knows, and what helps. */
export function Trouble({ mediator }: { mediator: Mediator | null }) {
  const { t } = useTranslation();
  const phase = useView(mediator, (view) => view.engine.phase);
  const isStalled = useView(mediator, (view) => view.isStalled);
  const isOnline = useOnline();
  const retry = () => mediator?.request({ do: "retry" });

  useEffect(() => {
    // The network is back: nobody should have to wait or press.
    const back = () => {
      if (!mediator) return;
      const { engine, isStalled: isWaiting } = mediator.snapshot();
      if (isWaiting || engine.phase === "retrying" || engine.phase === "network")
        mediator.request({ do: "retry" });
    };
    window.addEventListener("online", back);
    return () => window.removeEventListener("online", back);
  }, [mediator]);

  // hls.js itself waits for the network without a word.
  if (phase === "retrying" || (!isOnline && isStalled && phase === "playing"))
    return <Retrying mediator={mediator} isOnline={isOnline} onRetry={retry} />;
  if (phase === "network" || phase === "missing" || phase === "broken") {
    return (
      <Screen
        icon={<WifiOff />}
        title={t(`player.${phase}.title`)}
        text={t(`player.${phase}.text`)}
        testId="player-error"
      >
        <Button look="solid" onClick={retry}>
          <RotateCw />
          {t("actions.retry")}
        </Button>
      </Screen>
    );
  }
  if (phase === "unsupported") {
    return (
      <Screen
        title={t("player.unsupported.title")}
        text={t("player.unsupported.text")}
        testId="player-unsupported"
      />
    );
  }
  return null;
}

function Retrying({
  mediator,
  isOnline,
  onRetry,
}: {
  mediator: Mediator | null;
  isOnline: boolean;
  onRetry: () => void;
}) {
  const { t } = useTranslation();
  const retryAt = useView(mediator, (view) => view.engine.retryAt);
  const now = useNow(500);
  const left = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
  return (
    <div className="player-pill top-3 left-3" data-testid="player-retrying">
      <WifiOff aria-hidden="true" />
      {/* Said once; the seconds tick in silence. */}
      <span role="status">{isOnline ? t("player.retrying") : t("player.offline")}</span>
      {isOnline && left > 0 && (
        <span className="tabular" aria-hidden="true">
          {t("player.retry_in", { seconds: left })}
        </span>
      )}
      <button type="button" onClick={onRetry}>
        {t("player.retry_now")}
      </button>
    </div>
  );
}
