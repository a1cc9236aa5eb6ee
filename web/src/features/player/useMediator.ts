import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { setSound, usePrefs } from "@/lib/prefs";
import { withViewer } from "./address";
import { idle } from "./engineState";
import { Mediator, type View } from "./mediator";

export const nothing: View = {
  engine: idle,
  isPaused: true,
  isSeeking: false,
  isStalled: false,
  volume: 1,
  isMuted: false,
  speed: 1,
  timeline: null,
  isPip: false,
  isFullscreen: false,
  tracks: [],
  track: -1,
};
const never = () => () => undefined;

type Source = {
  src: string | null;
  isLive: boolean;
  /** When the broadcast began. */
  beganMs: number | null;
  /** Where a recording begins. */
  startAt: number;
  isMuted: boolean;
  /** See the engine. */
  excerptS?: number | null;
};

/** One mediator per video and address. A changed delay keeps it and reloads inside it. */
export function useMediator(
  video: HTMLVideoElement | null,
  frame: HTMLElement | null,
  source: Source,
): Mediator | null {
  const [mediator, setMediator] = useState<Mediator | null>(null);
  const { src, isLive, excerptS = null } = source;
  // What only the beginning needs: a change of it is no reason to begin again.
  const first = useRef(source);
  first.current = source;

  useEffect(() => {
    if (!video || !frame || !src) return;
    const { quality, latencyMode, volume, isMuted } = usePrefs.getState();
    const { beganMs, startAt } = first.current;
    video.volume = volume;
    video.muted = first.current.isMuted || isMuted;
    const options = {
      src: withViewer(src),
      isLive,
      latencyMode,
      quality,
      beganMs,
      startAt: startAt > 0 ? startAt : -1,
      excerptS,
    };
    const made = new Mediator(video, frame, isLive, options, setSound);
    setMediator(made);
    return () => {
      setMediator(null);
      made.destroy();
    };
  }, [video, frame, src, isLive, excerptS]);

  const latencyMode = usePrefs((prefs) => prefs.latencyMode);
  useEffect(() => mediator?.setLatencyMode(latencyMode), [mediator, latencyMode]);
  return mediator;
}

/** A part of what the mediator shows. `select` must give back the same object while nothing changed. */
export function useView<T>(mediator: Mediator | null, select: (view: View) => T): T {
  return useSyncExternalStore(mediator?.subscribe ?? never, () => select(mediator?.snapshot() ?? nothing));
}
