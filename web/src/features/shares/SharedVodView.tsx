import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Player } from "@/features/player/Player";
import type { SharedVod } from "./api";

/** A shared recording. Renewed addresses are the same to the player, which takes the token of the latest. */
export function SharedVodView({ vod }: { vod: SharedVod }) {
  const { t } = useTranslation();
  // Pictures that are there need not be fetched again.
  const [pictures] = useState({ poster: vod.thumbnail_url, storyboard: vod.storyboard_url });
  return (
    <div className="flex flex-col gap-4" data-testid="shared-vod">
      <Player
        src={vod.playback.hls}
        isLive={false}
        title={vod.title}
        artist=""
        poster={pictures.poster}
        storyboardUrl={pictures.storyboard}
        className="max-h-[calc(100dvh-var(--header-h)-150px)] rounded-lg"
      />
      {vod.is_recording && <p className="font-semibold text-live-text text-sm">{t("vod.recording")}</p>}
      {vod.description && (
        <p className="max-w-[75ch] whitespace-pre-line text-soft [overflow-wrap:anywhere]">
          {vod.description}
        </p>
      )}
    </div>
  );
}
