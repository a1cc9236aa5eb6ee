import { Clock } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Stream } from "@/api/types";
import { Viewers } from "@/features/cards/cards";
import { clock, secondsSince } from "@/lib/time";
import { useNow } from "@/lib/useNow";

/** Viewers and uptime of a running stream. The numbers tick in silence. */
export function LiveFacts({ stream, viewers }: { stream: Stream; viewers: number | null }) {
  const { t } = useTranslation();
  const now = useNow(1_000);
  const uptime = clock(secondsSince(stream.started_at, now));
  return (
    <div className="tabular flex items-center gap-4 font-medium font-mono text-[14px] text-soft [&_svg]:size-4">
      <span className="flex items-center gap-1.5 text-live-text">
        <Viewers count={viewers ?? stream.viewers} testId="viewers" />
      </span>
      <span className="flex items-center gap-1.5">
        <Clock aria-hidden="true" />
        <span className="sr-only">{t("live.uptime")}</span>
        <time data-testid="uptime">{uptime}</time>
      </span>
    </div>
  );
}
