import {
  Maximize,
  Minimize,
  Pause,
  PictureInPicture2,
  Play,
  RectangleHorizontal,
  Repeat,
  RotateCcw,
  Scissors,
  Volume1,
  Volume2,
  VolumeX,
} from "lucide-react";
import type { ReactNode, RefObject } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { usePrefs } from "@/lib/prefs";
import { clock } from "@/lib/time";
import { LiveControl } from "./LiveControl";
import { can, type Mediator } from "./mediator";
import { PlayerMenu } from "./PlayerMenu";
import { SeekBar } from "./SeekBar";
import { useView } from "./useMediator";

type Props = {
  mediator: Mediator | null;
  isLive: boolean;
  video: HTMLVideoElement | null;
  container: RefObject<HTMLElement | null>;
  storyboardUrl: string | null;
  storyboardFrom: number;
  canLoop: boolean;
  onClip?: () => void;
  onTheatre?: () => void;
  onStats: () => void;
  onHelp: () => void;
  onMenu: (isOpen: boolean) => void;
};

export function Controls(props: Props) {
  const { mediator, isLive, video, container, storyboardUrl, onTheatre } = props;
  const { t } = useTranslation();
  const isTheatre = usePrefs((prefs) => prefs.isTheatre);
  const isFullscreen = useView(mediator, (view) => view.isFullscreen);
  const isPip = useView(mediator, (view) => view.isPip);
  return (
    <div className="player-controls" data-testid="player-controls">
      <SeekBar
        mediator={mediator}
        isLive={isLive}
        storyboardUrl={storyboardUrl}
        storyboardFrom={props.storyboardFrom}
      />
      <div className="player-bar">
        <PlayButton mediator={mediator} />
        <Volume mediator={mediator} />
        {isLive ? <LiveControl mediator={mediator} /> : <Time mediator={mediator} />}
        <span className="flex-1" />
        {props.onClip && (
          <Tool label={t("player.clip")} keys="Alt+X" testId="clip" onClick={props.onClip}>
            <Scissors />
          </Tool>
        )}
        {props.canLoop && <LoopButton mediator={mediator} />}
        <PlayerMenu
          mediator={mediator}
          isLive={isLive}
          container={container}
          onStats={props.onStats}
          onHelp={props.onHelp}
          onMenu={props.onMenu}
        />
        {onTheatre && !isFullscreen && (
          <Tool
            label={isTheatre ? t("player.theatre_off") : t("player.theatre")}
            keys="t"
            testId="theatre"
            className="max-lg:hidden"
            isPressed={isTheatre}
            onClick={onTheatre}
          >
            <RectangleHorizontal />
          </Tool>
        )}
        {can.pip() && (
          <Tool
            label={isPip ? t("player.pip_off") : t("player.pip")}
            keys="i"
            testId="pip"
            className="max-sm:hidden"
            isPressed={isPip}
            onClick={() => mediator?.request({ do: "pip" })}
          >
            <PictureInPicture2 />
          </Tool>
        )}
        {can.fullscreen(video) && (
          <Tool
            label={isFullscreen ? t("player.fullscreen_off") : t("player.fullscreen")}
            keys="f"
            testId="fullscreen"
            onClick={() => mediator?.request({ do: "fullscreen" })}
          >
            {isFullscreen ? <Minimize /> : <Maximize />}
          </Tool>
        )}
      </div>
    </div>
  );
}

/** A button of the bar. Its key is told while keys are on. */
export function Tool({
  label,
  keys,
  testId,
  className,
  isPressed,
  onClick,
  children,
}: {
  label: string;
  keys?: string;
  testId?: string;
  className?: string;
  isPressed?: boolean;
  onClick: () => void;
  children: ReactNode;
}) {
  const hasShortcuts = usePrefs((prefs) => prefs.hasShortcuts);
  const key = hasShortcuts ? keys : undefined;
  return (
    <button
      type="button"
      className={cx("player-tool", isPressed && "is-pressed", className)}
      aria-label={label}
      aria-keyshortcuts={key}
      title={key ? `${label} (${key})` : label}
      data-testid={testId}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

function PlayButton({ mediator }: { mediator: Mediator | null }) {
  const { t } = useTranslation();
  const isPaused = useView(mediator, (view) => view.isPaused);
  const isEnded = useView(mediator, (view) => view.engine.isEnded);
  const label = isEnded ? t("player.replay") : isPaused ? t("player.play") : t("player.pause");
  return (
    <Tool label={label} keys="k" testId="play" onClick={() => mediator?.request({ do: "toggle" })}>
      {isEnded ? (
        <RotateCcw />
      ) : isPaused ? (
        <Play className="fill-current" />
      ) : (
        <Pause className="fill-current" />
      )}
    </Tool>
  );
}

function LoopButton({ mediator }: { mediator: Mediator | null }) {
  const { t } = useTranslation();
  const isLooped = useView(mediator, (view) => view.engine.isLooped);
  return (
    <Tool
      label={isLooped ? t("player.loop_off") : t("player.loop")}
      testId="loop"
      isPressed={isLooped}
      onClick={() => mediator?.request({ do: "loop" })}
    >
      <Repeat />
    </Tool>
  );
}

function Volume({ mediator }: { mediator: Mediator | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  const volume = useView(mediator, (view) => view.volume);
  const isMuted = useView(mediator, (view) => view.isMuted);
  const heard = isMuted ? 0 : volume;
  const Icon = heard === 0 ? VolumeX : heard < 0.5 ? Volume1 : Volume2;
  return (
    <span className="player-volume">
      <Tool
        label={isMuted ? t("player.unmute") : t("player.mute")}
        keys="m"
        testId="mute"
        onClick={() => mediator?.request({ do: "mute" })}
      >
        <Icon />
      </Tool>
      <input
        type="range"
        min={0}
        max={100}
        step={5}
        value={Math.round(heard * 100)}
        aria-label={t("player.volume")}
        aria-valuetext={new Intl.NumberFormat(lang, { style: "percent" }).format(heard)}
        data-testid="volume"
        style={{ "--share": `${heard * 100}%` } as React.CSSProperties}
        onChange={(event) => mediator?.request({ do: "volume", to: Number(event.target.value) / 100 })}
      />
    </span>
  );
}

function Time({ mediator }: { mediator: Mediator | null }) {
  const at = useView(mediator, (view) => Math.floor(view.timeline?.at ?? 0));
  const end = useView(mediator, (view) => Math.floor(view.timeline?.end ?? 0));
  return (
    <span className="tabular px-1.5 font-mono text-[13px] text-white" aria-hidden="true" data-testid="time">
      {clock(at)}
      <span className="text-white/70"> / {clock(end)}</span>
    </span>
  );
}
