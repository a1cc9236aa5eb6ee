import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { clock } from "@/lib/time";
import type { Mediator } from "./mediator";
import { useView } from "./useMediator";

const SHOWN_MS = 9_000;

/** Says where it goes on, and offers the beginning, for a while. */
export function ResumeNote({
  mediator,
  at,
  onStartOver,
}: {
  mediator: Mediator | null;
  at: number;
  onStartOver: () => void;
}) {
  const { t } = useTranslation();
  const isPlaying = useView(mediator, (view) => view.engine.phase === "playing");
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setTimeout(() => setOver(true), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isPlaying]);
  if (!isPlaying || isOver) return null;
  return (
    <div className="player-pill top-3 left-3" data-testid="resumed">
      <span role="status">{t("player.resumed", { at: clock(at) })}</span>
      <button
        type="button"
        data-testid="start-over"
        onClick={() => {
          setOver(true);
          onStartOver();
        }}
      >
        {t("player.start_over")}
      </button>
    </div>
  );
}
