// Plays one HLS address in one <video>: quality, delay, rewinding, recovery. Knows nothing of React or of the page.
import Hls, { Events } from "hls.js";
import { fromTheBeginning } from "./address";
import { figuresOf } from "./engineFigures";
import { type EngineOptions, type EngineState, idle } from "./engineState";
import { configFor, faultOf, LATENCY_SEGMENTS_MAX, type LatencyMode } from "./hlsConfig";
import { pace } from "./pace";
import { hasPermit, withPermit } from "./permits";
import { AUDIO_ONLY, AUTO, find, listOf, type QualityChoice } from "./quality";
import { type Fault, type History, measuredLatency, noHistory, remedy } from "./recovery";
import type { Figures } from "./stats";
import {
  bufferedTo,
  clamp,
  type Dated,
  liveTimeline,
  seekableEnd,
  seekableStart,
  type Timeline,
  timeOfDate,
} from "./timeline";

const MEASURE_EVERY_MS = 500;
/** A token lives for four minutes. */
const NATIVE_RENEW_MS = 200_000;
/** So long after its first picture a player may still jump to its place. */
const STARTING_MS = 5_000;
/** Further from the edge than this is offered "go to live". */
const BEHIND_S = { low: 6, normal: 20 } as const;
/** A point this near the live place is the live place. */
const AT_LIVE_S = 1.5;
/** A segment this near the end of the window may be gone before it is loaded. */
const WINDOW_MARGIN_S = 3;
/** The same for a playlist that was opened just now: all of hls.js has to start meanwhile. */
const SLIDING_MARGIN_S = 8;
/** The place computed from the clock, and the one found by the playlist's dates, may differ by this. */
const START_SLACK_S = 0.5;
/** A picture this near the end of an excerpt is its last. */
const LAST_PICTURE_S = 0.02;

export class Engine {
  private hls: Hls | null = null;
  private history: History = noHistory;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private listeners = new Set<() => void>();
  private state: EngineState;
  private isDestroyed = false;
  private startAt: number;
  /** While the start may still end in a jump: when that ends, or null before the first picture. */
  private startingUntil: number | null = null;
  /** The speed that this set, or 1. */
  private rate = 1;
  /** Whether the viewer wants it to play. A new source keeps to it. */
  private isWanted = true;
  /** Whether a viewer who falls behind is moved forward: until they choose a place of their own. */
  private isFollowing = true;
  /** The date asked for, while the long playlist is played. */
  private rewoundToMs: number | null = null;
  private floorMs: number | null = null;
  private audioOnlySrc: string | null = null;
  /** Where an excerpt begins on the video's clock. */
  private from = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private options: EngineOptions,
  ) {
    this.startAt = options.startAt ?? -1;
    this.state = { ...idle, chosen: options.quality ?? AUTO };
    for (const [name, heard] of Object.entries(this.heard)) video.addEventListener(name, heard);
    this.ticker = setInterval(this.measure, MEASURE_EVERY_MS);
    if (options.excerptS != null) this.watchEnd();
    this.open();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): EngineState => this.state;

  destroy(): void {
    this.isDestroyed = true;
    clearInterval(this.ticker);
    clearTimeout(this.retryTimer);
    for (const [name, heard] of Object.entries(this.heard)) this.video.removeEventListener(name, heard);
    this.close();
    this.video.removeAttribute("src");
    this.video.load();
    this.listeners.clear();
  }

  choose(choice: QualityChoice): void {
    const wasAudioOnly = this.isAudioOnly();
    this.set({ chosen: choice });
    if (!this.hls) return;
    if (this.isAudioOnly() !== wasAudioOnly) {
      this.keepPlace();
      this.open();
      return;
    }
    this.hls.nextLevel = find(this.state.qualities, choice)?.index ?? -1;
  }

  setLatencyMode(latencyMode: LatencyMode): void {
    if (latencyMode === this.options.latencyMode) return;
    this.options = { ...this.options, latencyMode };
    if (!this.options.isLive || this.state.isRewound) return;
    this.isFollowing = true;
    this.open();
  }

  goLive(): void {
    this.endStart();
    this.isFollowing = true;
    this.isWanted = true;
    if (this.state.isRewound) {
      this.rewoundToMs = null;
      this.audioOnlySrc = null;
      this.open();
      return;
    }
    this.applyFollowing();
    const edge = this.hls?.liveSyncPosition ?? seekableEnd(this.video);
    if (edge !== null && Number.isFinite(edge)) this.video.currentTime = edge;
    void this.play();
  }

  /** Moves to a second of the timeline. A broadcast's earlier parts come from the long playlist. */
  seek(to: number): void {
    this.endStart();
    const line = this.timeline();
    if (!this.options.isLive || !line) {
      this.video.currentTime = this.from + to;
      return;
    }
    if (to > line.end - AT_LIVE_S) {
      this.goLive();
      return;
    }
    this.isFollowing = false;
    this.applyFollowing();
    const { beganMs } = this.options;
    if (beganMs == null || !this.hls) {
      this.video.currentTime = to;
      return;
    }
    const dateMs = beganMs + to * 1000;
    const parts = this.dated();
    const time = timeOfDate(parts, dateMs);
    const first = parts[0]?.start ?? 0;
    const margin = this.state.isRewound ? 0 : WINDOW_MARGIN_S;
    if (time !== null && time >= first + margin) this.video.currentTime = time;
    else if (this.state.isRewound) this.video.currentTime = time ?? first;
    else this.rewind(dateMs);
  }

  /** Starts over at once, as the viewer or a returning broadcaster asks. */
  retryNow(): void {
    this.history = noHistory;
    if (this.video.currentTime > 0) this.keepPlace();
    this.reopen();
  }

  pause(): void {
    this.isWanted = false;
    this.video.pause();
  }

  setLoop(isLooped: boolean): void {
    this.set({ isLooped });
    if (isLooped && this.state.isEnded) void this.play();
  }

  async play(): Promise<void> {
    this.isWanted = true;
    // Past the end of an excerpt the video itself would go on.
    if (this.state.isEnded && this.options.excerptS != null) this.video.currentTime = this.from;
    try {
      await this.video.play();
      this.set({ needsTap: false });
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      if (!this.video.muted) {
        // Browsers refuse sound before a gesture; silence is mostly allowed.
        this.video.muted = true;
        this.set({ isSilenced: true });
        await this.video.play().catch(() => this.set({ needsTap: true }));
      } else {
        this.set({ needsTap: true });
      }
    }
  }

  /** The viewer turned the sound on or off themselves. */
  soundChosen(): void {
    this.set({ isSilenced: false });
  }

  timeline(): Timeline | null {
    const { video, hls } = this;
    const at = video.currentTime;
    const length = this.excerptLength();
    if (length !== null) {
      if (video.readyState === 0) return null;
      const into = (time: number) => clamp(time - this.from, 0, length);
      return { start: 0, end: length, at: into(at), bufferedTo: into(bufferedTo(video, at)) };
    }
    if (!this.options.isLive) {
      const end = Number.isFinite(video.duration) ? video.duration : (seekableEnd(this.video) ?? 0);
      return end > 0 ? { start: 0, end, at, bufferedTo: bufferedTo(video, at) } : null;
    }
    const details = hls?.latestLevelDetails ?? null;
    if (video.readyState === 0) return this.expected();
    const place = details?.live === false ? details.edge : (hls?.liveSyncPosition ?? seekableEnd(this.video));
    if (place === null || !Number.isFinite(place)) return null;
    return liveTimeline({
      at,
      bufferedTo: bufferedTo(video, at),
      atDateMs: hls?.playingDate?.getTime() ?? null,
      place,
      windowStart: details?.fragmentStart ?? seekableStart(this.video),
      beganMs: this.options.beganMs ?? null,
      floorMs: this.floorMs,
    });
  }

  /** Before the first picture: where a rewound viewer will be. A live one's place is not known yet. */
  private expected(): Timeline | null {
    const { rewoundToMs } = this;
    const details = this.hls?.latestLevelDetails;
    const place = this.hls?.liveSyncPosition ?? null;
    if (rewoundToMs === null || !details || place === null) return null;
    const at = timeOfDate(details.fragments, rewoundToMs) ?? details.fragmentStart;
    return liveTimeline({
      at,
      bufferedTo: at,
      atDateMs: rewoundToMs,
      place,
      windowStart: details.fragmentStart,
      beganMs: this.options.beganMs ?? null,
      floorMs: this.floorMs,
    });
  }

  figures(): Figures {
    const { video, hls, state, options } = this;
    const source = this.source();
    return figuresOf({ video, hls, state, options, source, isAudioOnly: this.isAudioOnly() });
  }

  /** What is known of the playlist, to find dates in it. */
  dated(): readonly Dated[] {
    return this.hls?.latestLevelDetails?.fragments ?? [];
  }

  /** The date of what is shown; null without dates in the playlist. */
  playingDateMs(): number | null {
    return this.hls?.playingDate?.getTime() ?? null;
  }

  /** How long the excerpt is: shorter than was asked for where its recording ends before. */
  private excerptLength(): number | null {
    const { excerptS } = this.options;
    if (excerptS == null) return null;
    const isWhole = this.hls === null || this.hls.latestLevelDetails?.live === false;
    const rest = this.video.duration - this.from;
    return isWhole && Number.isFinite(rest) && rest > 0 ? Math.min(excerptS, rest) : excerptS;
  }

  /** Looks at every picture where browsers tell of them; elsewhere what the video says four times a second must do. */
  private watchEnd(): void {
    const { video } = this;
    if (!("requestVideoFrameCallback" in video)) return;
    const next = () => {
      if (this.isDestroyed) return;
      this.endExcerpt();
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  }

  private endExcerpt(): void {
    const length = this.excerptLength();
    const { video } = this;
    if (length === null || video.paused || video.seeking || video.readyState < 2) return;
    if (video.currentTime >= this.from + length - LAST_PICTURE_S) this.onEnd();
  }

  /** The end of a recording, or of an excerpt. */
  private onEnd(): void {
    if (this.state.isLooped) {
      this.video.currentTime = this.from;
      void this.play();
      return;
    }
    if (this.options.excerptS != null) this.video.pause();
    this.set({ isEnded: true });
  }

  private isAudioOnly(): boolean {
    return this.state.chosen === AUDIO_ONLY && this.audioOnlySrc !== null;
  }

  private source(): string {
    if (this.isAudioOnly() && this.audioOnlySrc) return this.audioOnlySrc;
    return this.rewoundToMs === null ? this.options.src : fromTheBeginning(this.options.src);
  }

  private rewind(dateMs: number): void {
    this.rewoundToMs = dateMs;
    this.isFollowing = false;
    this.audioOnlySrc = null;
    this.open();
  }

  /** Before a source is exchanged for another of the same content. */
  private keepPlace(): void {
    if (!this.options.isLive) this.startAt = this.video.currentTime;
    else if (this.state.isRewound) this.rewoundToMs = this.hls?.playingDate?.getTime() ?? this.rewoundToMs;
  }

  private open(): void {
    this.close();
    if (this.isDestroyed) return;
    this.set({
      phase: this.state.phase === "retrying" ? "retrying" : "loading",
      isEnded: false,
      isRewound: this.rewoundToMs !== null,
      retryAt: null,
    });
    if (Hls.isSupported()) {
      this.openHls();
    } else if (this.video.canPlayType("application/vnd.apple.mpegurl")) {
      const source = this.source();
      this.video.src = withPermit(source);
      // The browser reads playlists by itself: a fresh token means a fresh address.
      if (hasPermit(source)) this.retryTimer = setTimeout(() => this.retryNow(), NATIVE_RENEW_MS);
      if (this.startAt > 0) this.video.currentTime = this.startAt;
      else if (this.options.excerptS != null)
        // The browser begins where the playlist says.
        this.video.addEventListener("loadedmetadata", () => this.setFrom(this.video.currentTime), {
          once: true,
        });
      void this.play();
    } else {
      this.set({ phase: "unsupported" });
    }
  }

  private openHls(): void {
    const { isLive, latencyMode, beganMs } = this.options;
    const { rewoundToMs } = this;
    const kind = !isLive ? "recording" : rewoundToMs === null ? "live" : "rewound";
    const reckoned =
      rewoundToMs === null || beganMs == null ? this.startAt : Math.max(0.1, (rewoundToMs - beganMs) / 1000);
    const hls = new Hls(configFor(kind, latencyMode, isLive && kind === "live" ? -1 : reckoned));
    this.hls = hls;
    this.startingUntil = kind === "rewound" ? 0 : null;
    // Set here and not in the config: there it would demand a fixed distance and override PART-HOLD-BACK.
    this.applyFollowing();
    const isSoundAlone = this.isAudioOnly();
    let hasPicture = false;
    // hls.js leaves out what the browser cannot decode and would go on with the sound. Either event may come first.
    const isBlind = () =>
      hasPicture && hls.levels.length > 0 && !hls.levels.some(({ videoCodec, width }) => videoCodec || width);
    const turnAway = () => setTimeout(() => this.hls === hls && this.recover("codec"));
    hls.on(Events.MANIFEST_LOADED, (_, { levels, audioTracks }) => {
      if (isSoundAlone) return;
      const isSound = (level: (typeof levels)[number]) =>
        !level.videoCodec && !level.width && Boolean(level.audioCodec);
      hasPicture = levels.some((level) => !isSound(level));
      const sound = hasPicture ? (levels.find(isSound)?.url ?? audioTracks[0]?.url) : undefined;
      this.audioOnlySrc = sound || null;
      if (isBlind()) turnAway();
    });
    hls.on(Events.MANIFEST_PARSED, () => {
      if (isSoundAlone) {
        void this.resume();
        return;
      }
      if (this.isAudioOnly()) {
        // The sound's address is only now known; hls.js is in the middle of its own event.
        setTimeout(() => this.hls === hls && this.open());
        return;
      }
      if (isBlind()) {
        turnAway();
        return;
      }
      const qualities = listOf(hls.levels, this.audioOnlySrc !== null);
      this.set({ qualities });
      const level = find(qualities, this.state.chosen);
      if (level && level.index >= 0) hls.loadLevel = level.index;
      void this.resume();
    });
    if (this.options.excerptS != null) {
      hls.on(Events.LEVEL_LOADED, (_, { details }) =>
        this.setFrom(details.fragmentStart + Math.max(0, details.startTimeOffset ?? 0)),
      );
    }
    if (kind === "rewound") {
      hls.once(Events.LEVEL_LOADED, (_, { details }) => {
        const first = details.fragments[0];
        if (!first || rewoundToMs === null) return;
        this.floorMs = first.programDateTime;
        // A playlist that does not reach back to the beginning loses its first segments as it goes.
        const isWhole = !details.live || details.startSN === 0;
        const earliest =
          first.start + (isWhole ? 0.1 : Math.min(SLIDING_MARGIN_S, details.totalduration / 2));
        const time = Math.max(timeOfDate(details.fragments, rewoundToMs) ?? first.start, earliest);
        if (Math.abs(time - reckoned) <= START_SLACK_S) return;
        hls.stopLoad();
        hls.startLoad(time);
      });
    }
    hls.on(Events.LEVEL_SWITCHED, (_, { level }) => {
      const active = this.state.qualities.find(({ index }) => index === level) ?? null;
      this.set({ active: isSoundAlone ? null : active });
    });
    hls.on(Events.FRAG_BUFFERED, () => {
      if (this.state.phase === "retrying" && !this.video.paused) this.onPlaying();
    });
    hls.on(Events.ERROR, (_, data) => {
      if (data.fatal) this.recover(faultOf(data));
    });
    hls.attachMedia(this.video);
    hls.loadSource(this.source());
  }

  private setFrom(from: number): void {
    if (Number.isFinite(from)) this.from = from;
  }

  private async resume(): Promise<void> {
    if (this.isWanted) await this.play();
  }

  private applyFollowing(): void {
    if (!this.hls || !this.options.isLive) return;
    const isHeld = !this.isFollowing || this.rewoundToMs !== null;
    this.hls.config.liveMaxLatencyDurationCount = isHeld ? Number.POSITIVE_INFINITY : LATENCY_SEGMENTS_MAX;
  }

  private close(): void {
    this.setRate(1);
    this.hls?.destroy();
    this.hls = null;
  }

  private recover(found: Fault): void {
    const fault = found === "codec" && this.options.isLive ? "not-yet" : found;
    if (this.rewoundToMs !== null && fault === "missing") {
      // The beginning is not to be had; the broadcast still is.
      this.options = { ...this.options, beganMs: null };
      this.goLive();
      return;
    }
    const step = remedy(fault, this.history, performance.now());
    this.history = step.history;
    if (step.do === "reset-decoder") {
      this.hls?.recoverMediaError();
      return;
    }
    if (this.video.currentTime > 0) this.keepPlace();
    if (step.do === "give-up") {
      this.close();
      this.set({ phase: step.why, retryAt: null });
      return;
    }
    // Nothing is wrong while a rendition is being made.
    if (fault === "not-yet") {
      this.close();
      this.set({ phase: "loading" });
    } else this.set({ phase: "retrying", retryAt: Date.now() + step.inMs });
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.reopen(), step.inMs);
  }

  private reopen(): void {
    clearTimeout(this.retryTimer);
    this.open();
  }

  private onPlaying = () => {
    this.startingUntil ??= performance.now() + STARTING_MS;
    this.keepPace();
    this.history = { ...this.history, failures: 0 };
    this.set({ phase: "playing", isEnded: false, needsTap: false, retryAt: null });
  };

  private onPause = () => {
    this.endStart();
    if (this.video.ended) return;
    this.isWanted = false;
    // Whoever pauses a broadcast wants to go on from there.
    this.isFollowing = false;
    this.applyFollowing();
  };

  private onPlay = () => {
    this.isWanted = true;
    this.keepInWindow();
  };

  private onNativeError = () => {
    if (this.hls || !this.video.src || this.isDestroyed) return;
    const code = this.video.error?.code;
    if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) this.set({ phase: "missing" });
    else if (code === MediaError.MEDIA_ERR_NETWORK) this.set({ phase: "network" });
    else if (code) this.set({ phase: "broken" });
  };

  private endStart = () => {
    this.startingUntil = 0;
  };

  /** Where hls.js holds the rate only while more than a second is buffered, and so switches it at every part. */
  private keepPace = () => {
    const { hls, video } = this;
    if (!hls || !this.options.isLive || this.state.isRewound || this.options.latencyMode !== "low") return;
    const place = hls.liveSyncPosition;
    if (place === null || video.paused || video.seeking || this.startingUntil === null) return;
    if (hls.latestLevelDetails?.live !== true) return this.setRate(1);
    const at = video.currentTime;
    const isStarting = performance.now() < this.startingUntil;
    const next = pace({ at, place, bufferedTo: bufferedTo(video, at), isStarting }, this.rate);
    this.setRate(next.rate);
    if (next.jumpTo === null) return;
    this.endStart();
    video.currentTime = next.jumpTo;
  };

  /** What the video says, and who listens. */
  private readonly heard: Record<string, () => void> = {
    playing: this.onPlaying,
    ended: () => this.onEnd(),
    seeking: () => this.set({ isEnded: false }),
    play: this.onPlay,
    pause: this.onPause,
    waiting: () => this.setRate(1),
    timeupdate: () => {
      this.keepPace();
      this.endExcerpt();
    },
    error: this.onNativeError,
  };

  private setRate(rate: number): void {
    if (rate === this.rate) return;
    this.rate = rate;
    this.video.playbackRate = rate;
  }

  /** A viewer behind by choice, whose place the live playlist is about to lose, goes on in the long one. */
  private keepInWindow(): void {
    const { hls, video } = this;
    const details = hls?.latestLevelDetails;
    // What began with the broadcast has lost nothing.
    if (!this.options.isLive || this.isFollowing || video.paused || !details?.live || details.startSN === 0)
      return;
    if (this.state.isRewound) {
      if (video.readyState > 0 && video.currentTime < details.fragmentStart)
        video.currentTime = details.fragmentStart + WINDOW_MARGIN_S;
      return;
    }
    if (video.currentTime > details.fragmentStart + WINDOW_MARGIN_S / 2) return;
    const dateMs = hls?.playingDate?.getTime();
    if (this.options.beganMs != null && dateMs !== undefined) this.rewind(dateMs);
    else this.goLive();
  }

  private measure = () => {
    if (!this.options.isLive || this.video.readyState < 2) return;
    this.keepInWindow();
    const hls = this.hls;
    const details = hls?.latestLevelDetails ?? null;
    if (details && !details.live) {
      this.set({ latencyS: null, isBehind: false });
      return;
    }
    const date = hls?.playingDate?.getTime() ?? null;
    const fromEdge = hls ? hls.latency : null;
    const latencyS = measuredLatency(date, Date.now(), fromEdge);
    const isBehind =
      this.state.isRewound || (latencyS !== null && latencyS > BEHIND_S[this.options.latencyMode]);
    const rounded = latencyS === null ? null : Math.round(latencyS * 10) / 10;
    this.set({ latencyS: rounded, isBehind });
  };

  private set(change: Partial<EngineState>): void {
    const keys = Object.keys(change) as (keyof EngineState)[];
    if (keys.every((key) => this.state[key] === change[key])) return;
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}
