import { Link } from "@tanstack/react-router";
import { Play, RadioTower } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Channel, Vod } from "@/api/types";
import { Screen } from "@/features/player/Screen";
import { useLang } from "@/i18n/useLang";
import { serverTime } from "@/lib/serverClock";
import { ago, secondsUntil } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { buttonClass } from "@/ui/button";

/** The broadcaster's line dropped: the stream waits for them, for as long as the server says. */
export function Reconnecting({ until, backdrop }: { until?: string | null; backdrop?: string | null }) {
  const { t } = useTranslation();
  const now = useNow(500);
  const left = secondsUntil(until, serverTime(now));
  return (
    <Screen
      icon={<RadioTower />}
      title={t("channel.reconnecting")}
      text={left === null ? t("channel.reconnecting_text") : t("channel.reconnecting_for", { seconds: left })}
      backdrop={backdrop}
      testId="state-reconnecting"
    />
  );
}

/** Nothing on air: the last recording is offered. */
export function Offline({
  channel,
  last,
  isEmbed = false,
}: {
  channel: Channel;
  last: Vod | null;
  isEmbed?: boolean;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const nothing = isEmbed ? t("embed.offline_text") : t("channel.offline_text");
  return (
    <Screen
      title={t("channel.offline", { name: channel.display_name })}
      text={last ? t("channel.last_live", { ago: ago(last.created_at, lang) }) : nothing}
      backdrop={last?.thumbnail_url}
      testId="state-offline"
    >
      {last && (
        <Link
          to={isEmbed ? "/embed/v/$id" : "/v/$id"}
          params={{ id: last.id }}
          className={buttonClass("solid", "m", "!bg-[#6fe3da] !text-[#04211f]")}
          data-testid="last-recording"
        >
          <Play />
          {t("channel.watch_last")}
        </Link>
      )}
    </Screen>
  );
}
