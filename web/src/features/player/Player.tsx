import { RotateCw, WifiOff } from "lucide-react";
import {
  MediaControlBar,
  MediaController,
  MediaFullscreenButton,
  MediaLoadingIndicator,
  MediaMuteButton,
  MediaPipButton,
  MediaPlayButton,
  MediaTimeDisplay,
  MediaTimeRange,
  MediaVolumeRange,
} from "media-chrome/react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { usePrefs } from "@/lib/prefs";
import { delay } from "@/lib/time";
import { Button } from "@/ui/button";
import { startMediaTranslations } from "./mediaText";
import { PlayerMenu } from "./PlayerMenu";
import { Screen } from "./Screen";
import { useEngine } from "./useEngine";
import "./player.css";

startMediaTranslations();

type Props = {
  /** Null shows the poster and the overlay only. */
  src: string | null;
  isLive: boolean;
  title: string;
  artist: string;
  poster?: string | null;
  /** Covers the picture: the page knows why there is nothing to see. */
  overlay?: ReactNode;
  /** Changes when the broadcaster came back: playback that gave up starts over. */
  epoch?: string;
  isMuted?: boolean;
  onPlaying?: () => void;
  className?: string;
};

export function Player(props: Props) {
  const { src, isLive, title, artist, poster, overlay, epoch, isMuted = false, onPlaying, className } = props;
  const { t } = useTranslation();
  const lang = useLang();
  const latencyMode = usePrefs((prefs) => prefs.latencyMode);
  const wrapper = useRef<HTMLDivElement>(null);
  const controller = useRef<HTMLElement & { fullscreenElement: HTMLElement }>(null);
  const [video, setVideo] = useState<HTMLVideoElement | null>(null);
  const { engine, state } = useEngine(video, src, isLive, latencyMode);

  useEffect(() => {
    // The whole frame goes full screen, so that menus and states come along.
    if (controller.current && wrapper.current) controller.current.fullscreenElement = wrapper.current;
  }, []);

  const lastEpoch = useRef(epoch);
  useEffect(() => {
    if (lastEpoch.current === epoch) return;
    lastEpoch.current = epoch;
    if (engine && engine.snapshot().phase !== "playing") engine.retryNow();
  }, [epoch, engine]);

  const hasPlayed = useRef(false);
  useEffect(() => {
    if (state.phase !== "playing" || hasPlayed.current) return;
    hasPlayed.current = true;
    onPlaying?.();
  }, [state.phase, onPlaying]);

  useEffect(() => {
    if (!("mediaSession" in navigator) || !src) return;
    navigator.mediaSession.metadata = new MediaMetadata({
      title,
      artist,
      artwork: poster ? [{ src: new URL(poster, window.location.origin).href }] : [],
    });
    return () => {
      navigator.mediaSession.metadata = null;
    };
  }, [title, artist, poster, src]);

  const isWaiting = src !== null && (state.phase === "loading" || state.phase === "retrying");
  return (
    <div
      ref={wrapper}
      data-testid="player"
      data-phase={src ? state.phase : "idle"}
      className={cx("player relative isolate aspect-video w-full overflow-hidden bg-black", className)}
    >
      <MediaController
        ref={controller as never}
        className="absolute inset-0 size-full"
        defaultStreamType={isLive ? "live" : "on-demand"}
        lang={lang}
        aria-label={t("player.region", { title })}
      >
        <video
          slot="media"
          ref={setVideo}
          data-testid="video"
          playsInline
          muted={isMuted}
          preload="auto"
          aria-label={title}
          poster={poster ?? undefined}
        />
        <MediaLoadingIndicator slot="centered-chrome" noAutohide mediaLoading={isWaiting} />
        {src && !overlay && (
          <>
            {!isLive && (
              <MediaControlBar className="player-seek">
                <MediaTimeRange />
              </MediaControlBar>
            )}
            <MediaControlBar className="player-bar">
              <MediaPlayButton noTooltip />
              <MediaMuteButton noTooltip />
              <MediaVolumeRange className="player-volume" />
              {isLive ? (
                <LiveControl
                  latencyS={state.latencyS}
                  isBehind={state.isBehind}
                  onGoLive={() => engine?.goLive()}
                />
              ) : (
                <MediaTimeDisplay showDuration />
              )}
              <span className="flex-1" />
              <PlayerMenu engine={engine} state={state} isLive={isLive} video={video} container={wrapper} />
              <MediaPipButton noTooltip className="max-sm:hidden" />
              <MediaFullscreenButton noTooltip />
            </MediaControlBar>
          </>
        )}
      </MediaController>
      {overlay ?? <Trouble phase={src ? state.phase : "loading"} onRetry={() => engine?.retryNow()} />}
      {!overlay && state.needsTap && (
        <Screen title={t("player.tap_title")}>
          <Button look="solid" size="l" onClick={() => engine?.play()}>
            {t("player.tap_action")}
          </Button>
        </Screen>
      )}
    </div>
  );
}

function LiveControl({
  latencyS,
  isBehind,
  onGoLive,
}: {
  latencyS: number | null;
  isBehind: boolean;
  onGoLive: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <span className="flex items-center gap-2 px-1.5 text-[13px] text-white leading-none">
      <button
        type="button"
        className={cx(
          "player-live inline-flex h-7 items-center gap-1.5 rounded-sm px-2 font-bold tracking-wide",
          isBehind ? "bg-white/15 hover:bg-white/25" : "cursor-default",
        )}
        onClick={onGoLive}
        aria-label={isBehind ? t("player.go_live") : t("player.at_live")}
      >
        <span
          aria-hidden="true"
          className={cx("size-2 rounded-full", isBehind ? "bg-white/50" : "bg-[#ff5d4f]")}
        />
        {isBehind ? t("player.go_live") : t("live.badge")}
      </button>
      <span
        data-testid="latency"
        data-seconds={latencyS ?? ""}
        className="tabular font-mono text-white/85"
        title={t("player.latency_title")}
      >
        {latencyS === null ? "" : t("player.latency", { seconds: delay(latencyS, lang) })}
      </span>
    </span>
  );
}

function Trouble({ phase, onRetry }: { phase: string; onRetry: () => void }) {
  const { t } = useTranslation();
  if (phase === "network" || phase === "missing" || phase === "broken") {
    return (
      <Screen
        icon={<WifiOff />}
        title={t(`player.${phase}.title`)}
        text={t(`player.${phase}.text`)}
        testId="player-error"
      >
        <Button look="solid" onClick={onRetry}>
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
