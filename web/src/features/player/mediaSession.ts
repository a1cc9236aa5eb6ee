// The lock screen, the keyboard's media keys and the headphones: what plays, and what they may ask.

import { SKIP_S } from "./keys";
import type { Mediator } from "./mediator";

export type Playing = { title: string; artist: string; poster: string | null; isLive: boolean };

const ACTIONS: MediaSessionAction[] = ["play", "pause", "stop", "seekbackward", "seekforward", "seekto"];

/** Tells the system about the player until the returned function is called. */
export function tellMediaSession(mediator: Mediator, { title, artist, poster, isLive }: Playing): () => void {
  if (!("mediaSession" in navigator)) return () => undefined;
  const session = navigator.mediaSession;
  const artwork = poster ? [{ src: new URL(poster, window.location.origin).href }] : [];
  session.metadata = new MediaMetadata({ title, artist, artwork });

  const handle = (action: MediaSessionAction, handler: MediaSessionActionHandler | null) => {
    try {
      session.setActionHandler(action, handler);
    } catch {
      // An action this browser does not know.
    }
  };
  handle("play", () => mediator.request({ do: "play" }));
  handle("pause", () => mediator.request({ do: "pause" }));
  handle("stop", () => mediator.request({ do: "pause" }));
  handle("seekbackward", ({ seekOffset }) =>
    mediator.request({ do: "seek-by", by: -(seekOffset ?? SKIP_S) }),
  );
  handle("seekforward", ({ seekOffset }) => mediator.request({ do: "seek-by", by: seekOffset ?? SKIP_S }));
  if (!isLive)
    handle("seekto", ({ seekTime }) => {
      if (seekTime != null) mediator.request({ do: "seek", to: seekTime });
    });

  const show = () => {
    const { isPaused, timeline, speed } = mediator.snapshot();
    session.playbackState = isPaused ? "paused" : "playing";
    const position = isLive ? null : positionOf(timeline, speed);
    try {
      // Nothing clears it: a broadcast has no end to show.
      if (position) session.setPositionState(position);
      else session.setPositionState();
    } catch {
      // A browser without it shows no bar.
    }
  };
  show();
  const stop = mediator.subscribe(show);
  return () => {
    stop();
    for (const action of ACTIONS) handle(action, null);
    session.metadata = null;
    session.playbackState = "none";
  };
}

/** Null unless the numbers are such as the API takes. */
export function positionOf(
  timeline: { at: number; end: number } | null,
  speed: number,
): MediaPositionState | null {
  if (!timeline || !Number.isFinite(timeline.end) || timeline.end <= 0 || speed <= 0) return null;
  return {
    duration: timeline.end,
    position: Math.min(Math.max(0, timeline.at), timeline.end),
    playbackRate: speed,
  };
}
