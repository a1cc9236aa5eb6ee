import { VolumeX } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { setTheatre, usePrefs } from "@/lib/prefs";
import { Button } from "@/ui/button";
import { Controls } from "./Controls";
import { tellMediaSession } from "./mediaSession";
import type { Mediator } from "./mediator";
import { Notice, useNotice } from "./Notice";
import { ResumeNote } from "./ResumeNote";
import { type Command, isForPage, type Request } from "./request";
import { Screen } from "./Screen";
import { ShortcutsDialog } from "./ShortcutsDialog";
import { Stats } from "./Stats";
import { Surface } from "./Surface";
import { Trouble } from "./Trouble";
import { useControlsShown } from "./useControlsShown";
import { useMediator, useView } from "./useMediator";
import { type Permitted, usePermit } from "./usePermit";
import { useShortcuts } from "./useShortcuts";
import "./player.css";

type Props = {
  /** Null shows the poster and the overlay only. */
  src: string | null;
  isLive: boolean;
  /** Whose token is kept fresh, where the address carries one. */
  permitted?: Permitted;
  title: string;
  artist: string;
  poster?: string | null;
  /** Covers the picture: the page knows why there is nothing to see. */
  overlay?: ReactNode;
  /** Changes when the broadcaster came back: playback that gave up starts over. */
  epoch?: string;
  isMuted?: boolean;
  /** When the broadcast began: the bar reaches back to it. */
  startedAt?: string | null;
  storyboardUrl?: string | null;
  /** Where a recording goes on, in seconds. Read when it begins. */
  startAt?: number;
  /** Whether that is where this viewer stopped, which is worth a word. */
  isResumed?: boolean;
  onPlaying?: () => void;
  onProgress?: (at: number, duration: number) => void;
  /** Plays only so many seconds, from where the playlist begins. It can be looped. */
  excerptS?: number;
  /** Where the excerpt lies in what the storyboard is of, in seconds. */
  storyboardFrom?: number;
  /** Something may be cut out of what is played. */
  onClip?: (mediator: Mediator) => void;
  /** The page has a theatre layout. */
  hasTheatre?: boolean;
  className?: string;
};

export function Player(props: Props) {
  const { isLive, title, artist, poster, overlay, epoch, hasTheatre = false, className } = props;
  const { t } = useTranslation();
  const src = usePermit(props.src, props.permitted);
  const frame = useRef<HTMLElement | null>(null);
  const [frameElement, setFrame] = useState<HTMLElement | null>(null);
  const keepFrame = useCallback((element: HTMLElement | null) => {
    frame.current = element;
    setFrame(element);
  }, []);
  const [video, setVideo] = useState<HTMLVideoElement | null>(null);
  const began = props.startedAt ? Date.parse(props.startedAt) : Number.NaN;
  const mediator = useMediator(video, frameElement, {
    src,
    isLive,
    beganMs: Number.isNaN(began) ? null : began,
    startAt: props.startAt ?? 0,
    isMuted: props.isMuted ?? false,
    excerptS: props.excerptS ?? null,
  });
  const phase = useView(mediator, (view) => view.engine.phase);
  const isPaused = useView(mediator, (view) => view.isPaused);
  const isStalled = useView(mediator, (view) => view.isStalled);
  const needsTap = useView(mediator, (view) => view.engine.needsTap);
  const isSilenced = useView(mediator, (view) => view.engine.isSilenced && view.isMuted);
  const isRewound = useView(mediator, (view) => view.engine.isRewound);
  const isFullscreen = useView(mediator, (view) => view.isFullscreen);
  const [hasStats, setStats] = useState(false);
  const [hasHelp, setHelp] = useState(false);
  const [hasMenu, setMenu] = useState(false);
  const { said, say } = useNotice(isLive);
  const { isShown, isAwake, wake, sleep } = useControlsShown(frame, isPaused || hasMenu);

  useStartOver(mediator, epoch);
  useTold(mediator, props);
  useEffect(() => {
    if (!mediator) return;
    return tellMediaSession(mediator, { title, artist, poster: poster ?? null, isLive });
  }, [mediator, title, artist, poster, isLive]);

  const ask = useCallback((request: Request) => say(mediator?.request(request) ?? null), [mediator, say]);
  const theatre = useCallback(() => {
    const isTheatre = !usePrefs.getState().isTheatre;
    setTheatre(isTheatre);
    say(isTheatre ? t("player.said.theatre") : t("player.said.theatre_off"));
  }, [say, t]);
  const { onClip } = props;
  const clip =
    onClip && mediator
      ? () => {
          // The dialog is drawn over the page.
          if (document.fullscreenElement) void document.exitFullscreen().catch(() => undefined);
          onClip(mediator);
        }
      : undefined;
  const perform = (command: Command) => {
    if (isForPage(command)) {
      if (command.do === "help") setHelp(true);
      else if (command.do === "clip") clip?.();
      else if (hasTheatre) theatre();
    } else ask(command);
  };
  useShortcuts(frame, mediator, isLive, perform);

  const isWaiting = src !== null && (phase === "loading" || phase === "retrying" || isStalled);
  const hasControls = src !== null && !overlay;
  return (
    <section
      ref={keepFrame}
      aria-label={t("player.region", { title })}
      data-testid="player"
      data-phase={src ? phase : "idle"}
      data-controls={isShown ? "shown" : "hidden"}
      data-rewound={isRewound}
      className={cx("player relative isolate aspect-video w-full overflow-hidden bg-black", className)}
    >
      <video
        ref={setVideo}
        data-testid="video"
        playsInline
        preload="auto"
        aria-label={title}
        poster={poster ?? undefined}
        tabIndex={-1}
      />
      {hasControls && <Surface ask={ask} onTap={() => (isAwake ? sleep() : wake())} />}
      {isWaiting && !overlay && !needsTap && <span className="player-spinner" aria-hidden="true" />}
      <Notice said={said} />
      {hasStats && mediator && <Stats mediator={mediator} onClose={() => setStats(false)} />}
      {hasControls && isSilenced && (
        <div className="player-pill top-3 left-3">
          <button type="button" data-testid="unmute" onClick={() => ask({ do: "mute" })}>
            <VolumeX aria-hidden="true" />
            {t("player.tap_sound")}
          </button>
        </div>
      )}
      {hasControls && props.isResumed && (
        <ResumeNote
          mediator={mediator}
          at={props.startAt ?? 0}
          onStartOver={() => ask({ do: "seek", to: 0 })}
        />
      )}
      {hasControls && (
        <Controls
          mediator={mediator}
          isLive={isLive}
          video={video}
          container={frame}
          storyboardUrl={props.storyboardUrl ?? null}
          storyboardFrom={props.storyboardFrom ?? 0}
          canLoop={props.excerptS !== undefined}
          onClip={clip}
          onTheatre={hasTheatre ? theatre : undefined}
          onStats={() => setStats((is) => !is)}
          onHelp={() => setHelp(true)}
          onMenu={setMenu}
        />
      )}
      {overlay ?? (src && <Trouble mediator={mediator} />)}
      {!overlay && needsTap && (
        <Screen title={t("player.tap_title")}>
          <Button look="solid" size="l" onClick={() => ask({ do: "play" })}>
            {t("player.tap_action")}
          </Button>
        </Screen>
      )}
      <ShortcutsDialog
        isOpen={hasHelp}
        onClose={() => setHelp(false)}
        container={isFullscreen ? frame : undefined}
      />
    </section>
  );
}

/** A broadcaster came back: playback that gave up, or waits to try again, starts over. */
function useStartOver(mediator: ReturnType<typeof useMediator>, epoch: string | undefined): void {
  const last = useRef(epoch);
  useEffect(() => {
    if (last.current === epoch) return;
    last.current = epoch;
    if (mediator && mediator.snapshot().engine.phase !== "playing") mediator.request({ do: "retry" });
  }, [epoch, mediator]);
}

/** Tells the page of the first picture, and of how far it got. */
function useTold(mediator: ReturnType<typeof useMediator>, { onPlaying, onProgress }: Props): void {
  const latest = useRef({ onPlaying, onProgress });
  latest.current = { onPlaying, onProgress };
  const hasPlayed = useRef(false);
  useEffect(() => {
    if (!mediator) return;
    return mediator.subscribe(() => {
      const { engine, timeline, isSeeking } = mediator.snapshot();
      if (engine.phase !== "playing") return;
      if (!hasPlayed.current) {
        hasPlayed.current = true;
        latest.current.onPlaying?.();
      }
      // Before the first picture the place is not yet the viewer's.
      if (timeline && !isSeeking) latest.current.onProgress?.(timeline.at, timeline.end);
    });
  }, [mediator]);
}
