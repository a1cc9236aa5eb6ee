// The only one, with its engine, that touches the <video>. Everything else reads what it shows and sends requests.
import { Engine } from "./engine";
import type { EngineOptions, EngineState } from "./engineState";
import type { LatencyMode } from "./hlsConfig";
import { type Request, SPEEDS, stepSpeed } from "./request";
import type { Figures } from "./stats";
import { clamp, type Timeline } from "./timeline";

export type TextTrackName = { index: number; label: string; lang: string };

export type View = {
  engine: EngineState;
  isPaused: boolean;
  isSeeking: boolean;
  /** It should play and does not. */
  isStalled: boolean;
  volume: number;
  isMuted: boolean;
  speed: number;
  timeline: Timeline | null;
  isPip: boolean;
  isFullscreen: boolean;
  tracks: TextTrackName[];
  track: number;
};

/** What came of a request, for those who asked without looking: said aloud and shown for a moment. */
export type Outcome =
  | { what: "paused" | "playing" | "muted" | "unmuted" | "live" | "pip" | "pip_off" | "loop" | "loop_off" }
  | { what: "volume" | "speed"; value: number }
  | { what: "seek"; by: number; at: number; end: number }
  | { what: "captions"; label: string | null };

type SafariVideo = HTMLVideoElement & {
  webkitEnterFullscreen?: () => void;
  webkitSupportsFullscreen?: boolean;
};

/** How often places are shown while nothing else happens. */
const LOOK_EVERY_MS = 500;
const FRAME_S = 1 / 30;
const VIDEO_EVENTS = [
  ..."play pause playing waiting seeking seeked timeupdate progress volumechange ratechange".split(" "),
  ..."durationchange ended emptied loadedmetadata enterpictureinpicture leavepictureinpicture".split(" "),
  ..."webkitbeginfullscreen webkitendfullscreen".split(" "),
];

export const can = {
  pip: (): boolean => typeof document !== "undefined" && document.pictureInPictureEnabled === true,
  fullscreen: (video: HTMLVideoElement | null): boolean =>
    document.fullscreenEnabled === true || (video as SafariVideo | null)?.webkitSupportsFullscreen === true,
};

export class Mediator {
  readonly engine: Engine;
  private listeners = new Set<() => void>();
  private view: View;
  private ticker: ReturnType<typeof setInterval>;
  private stopEngine: () => void;

  constructor(
    private readonly video: HTMLVideoElement,
    /** What fills the screen: the whole frame, so that controls and states come along. */
    private readonly frame: HTMLElement,
    private readonly isLive: boolean,
    options: EngineOptions,
    /** Told when the viewer chose a volume, not when a browser did. */
    private readonly onSound: (volume: number, isMuted: boolean) => void = () => undefined,
  ) {
    this.engine = new Engine(video, options);
    this.view = this.look();
    this.stopEngine = this.engine.subscribe(this.refresh);
    for (const name of VIDEO_EVENTS) video.addEventListener(name, this.refresh);
    for (const name of ["addtrack", "removetrack", "change"])
      video.textTracks?.addEventListener?.(name, this.refresh);
    document.addEventListener("fullscreenchange", this.refresh);
    this.ticker = setInterval(this.refresh, LOOK_EVERY_MS);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): View => this.view;

  figures(): Figures {
    return this.engine.figures();
  }

  setLatencyMode(mode: LatencyMode): void {
    this.engine.setLatencyMode(mode);
  }

  destroy(): void {
    clearInterval(this.ticker);
    this.stopEngine();
    for (const name of VIDEO_EVENTS) this.video.removeEventListener(name, this.refresh);
    for (const name of ["addtrack", "removetrack", "change"])
      this.video.textTracks?.removeEventListener?.(name, this.refresh);
    document.removeEventListener("fullscreenchange", this.refresh);
    if (document.pictureInPictureElement === this.video) void document.exitPictureInPicture().catch(() => {});
    this.engine.destroy();
    this.listeners.clear();
  }

  /** Does what is asked, and tells what came of it, if it is worth telling. */
  request(asked: Request): Outcome | null {
    const outcome = this.perform(asked);
    this.refresh();
    return outcome;
  }

  private perform(asked: Request): Outcome | null {
    const { video, engine } = this;
    switch (asked.do) {
      case "play":
        void engine.play();
        return { what: "playing" };
      case "pause":
        engine.pause();
        return { what: "paused" };
      case "toggle":
        if (video.ended) engine.seek(0);
        return this.perform({ do: video.paused ? "play" : "pause" });
      case "live":
        engine.goLive();
        return { what: "live" };
      case "retry":
        engine.retryNow();
        return null;
      case "seek":
        return this.seek(asked.to, 0);
      case "seek-by": {
        const line = engine.timeline();
        return line ? this.seek(line.at + asked.by, asked.by) : null;
      }
      case "seek-share": {
        const line = engine.timeline();
        return line ? this.seek(line.start + (line.end - line.start) * asked.to, 0) : null;
      }
      case "frame":
        if (video.paused) this.step(asked.by * FRAME_S);
        return null;
      case "loop":
        engine.setLoop(!engine.snapshot().isLooped);
        return { what: engine.snapshot().isLooped ? "loop" : "loop_off" };
      case "mute":
        engine.soundChosen();
        video.muted = !video.muted;
        if (!video.muted && video.volume === 0) video.volume = 0.5;
        this.onSound(video.volume, video.muted);
        return { what: video.muted ? "muted" : "unmuted" };
      case "volume-by":
        return this.perform({ do: "volume", to: (video.muted ? 0 : video.volume) + asked.by });
      case "volume":
        engine.soundChosen();
        video.volume = clamp(Math.round(asked.to * 100) / 100, 0, 1);
        video.muted = video.volume === 0;
        this.onSound(video.volume, video.muted);
        return { what: "volume", value: video.volume };
      case "speed-step":
        return this.perform({ do: "speed", to: stepSpeed(video.playbackRate, asked.by) });
      case "speed":
        // A broadcast's speed is the pace's; nobody can be ahead of it.
        if (this.isLive) return null;
        video.playbackRate = clamp(asked.to, SPEEDS[0], 2);
        // A source that starts over begins at this speed.
        video.defaultPlaybackRate = video.playbackRate;
        return { what: "speed", value: video.playbackRate };
      case "quality":
        engine.choose(asked.to);
        return null;
      case "captions": {
        const tracks = this.tracks();
        const next = this.shownTrack() === -1 ? (tracks[0]?.index ?? -1) : -1;
        return tracks.length > 0 ? this.perform({ do: "track", to: next }) : null;
      }
      case "track": {
        Array.from(video.textTracks ?? []).forEach((track, index) => {
          if (isCaption(track)) track.mode = index === asked.to ? "showing" : "disabled";
        });
        return {
          what: "captions",
          label: this.tracks().find(({ index }) => index === asked.to)?.label ?? null,
        };
      }
      case "pip":
        return this.togglePip();
      case "fullscreen":
        void this.toggleFullscreen();
        return null;
    }
  }

  private seek(to: number, by: number): Outcome | null {
    const line = this.engine.timeline();
    if (!line) return null;
    const at = clamp(to, line.start, line.end);
    this.engine.seek(at);
    return { what: "seek", by, at, end: line.end };
  }

  private step(by: number): void {
    const line = this.isLive ? null : this.engine.timeline();
    if (line) this.engine.seek(clamp(line.at + by, line.start, line.end));
    else this.video.currentTime = Math.max(0, this.video.currentTime + by);
  }

  private togglePip(): Outcome | null {
    if (!can.pip()) return null;
    const isOn = document.pictureInPictureElement === this.video;
    const done = isOn ? document.exitPictureInPicture() : this.video.requestPictureInPicture();
    // Without a picture yet there is nothing to take out; the button stays.
    void Promise.resolve(done).catch(() => undefined);
    return { what: isOn ? "pip_off" : "pip" };
  }

  private async toggleFullscreen(): Promise<void> {
    const video: SafariVideo = this.video;
    try {
      if (document.fullscreenElement) {
        await document.exitFullscreen();
      } else if (document.fullscreenEnabled) {
        await this.frame.requestFullscreen({ navigationUI: "hide" });
        // Phones turn with the picture where they can.
        const turn = screen.orientation as ScreenOrientation & { lock?: (to: string) => Promise<void> };
        await turn?.lock?.("landscape").catch(() => undefined);
      } else {
        // iPhones let only the video itself fill the screen.
        video.webkitEnterFullscreen?.();
      }
    } catch {
      // Refused without a gesture: nothing is lost.
    }
  }

  private tracks(): TextTrackName[] {
    return Array.from(this.video.textTracks ?? [])
      .map((track, index) => ({ track, index }))
      .filter(({ track }) => isCaption(track))
      .map(({ track, index }) => ({ index, label: track.label || track.language, lang: track.language }));
  }

  private shownTrack(): number {
    return Array.from(this.video.textTracks ?? []).findIndex(
      (track) => isCaption(track) && track.mode === "showing",
    );
  }

  private look(): View {
    const { video } = this;
    const engine = this.engine.snapshot();
    return {
      engine,
      isPaused: video.paused,
      isSeeking: video.seeking,
      isStalled: !video.paused && !video.ended && (video.seeking || video.readyState < 3),
      volume: video.volume,
      isMuted: video.muted,
      speed: video.playbackRate,
      timeline: this.engine.timeline(),
      isPip: document.pictureInPictureElement === video,
      isFullscreen: document.fullscreenElement === this.frame,
      tracks: this.tracks(),
      track: this.shownTrack(),
    };
  }

  private refresh = () => {
    const next = this.look();
    const before = this.view;
    // Parts that did not change stay the same objects, so that only their readers draw again.
    if (isSame(before.timeline, next.timeline)) next.timeline = before.timeline;
    if (JSON.stringify(before.tracks) === JSON.stringify(next.tracks)) next.tracks = before.tracks;
    if (isSame(before, next)) return;
    this.view = next;
    for (const listener of this.listeners) listener();
  };
}

function isCaption(track: TextTrack): boolean {
  return track.kind === "captions" || track.kind === "subtitles";
}

function isSame(a: object | null, b: object | null): boolean {
  if (a === b) return true;
  if (!a || !b) return false;
  return Object.entries(b).every(([key, value]) => (a as Record<string, unknown>)[key] === value);
}
