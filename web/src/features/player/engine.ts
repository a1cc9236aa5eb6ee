// Plays one HLS address in one <video>: quality, delay, recovery. Knows nothing of React or of the page.
import Hls, { type ErrorData, ErrorDetails, ErrorTypes, Events, type HlsConfig } from "hls.js";
import { pace } from "./pace";
import { type Fault, type History, measuredLatency, noHistory, remedy } from "./recovery";

export type LatencyMode = "low" | "normal";

export type Quality = { index: number; height: number; bitrate: number; isAudioOnly: boolean };

export type EngineState = {
  phase: "loading" | "playing" | "retrying" | "network" | "missing" | "unsupported" | "broken";
  qualities: Quality[];
  /** The chosen rendition, or -1 when the player chooses. */
  chosen: number;
  /** What is playing now. */
  active: number;
  latencyS: number | null;
  isBehind: boolean;
  isEnded: boolean;
  needsTap: boolean;
};

export type EngineOptions = {
  src: string;
  isLive: boolean;
  latencyMode: LatencyMode;
};

const LATENCY_EVERY_MS = 500;
/** So long after its first picture a player may still jump to its place. */
const STARTING_MS = 5_000;
/** A viewer who fell this many segments behind is moved forward rather than sped up. */
const LATENCY_SEGMENTS_MAX = 8;
/** Further from the edge than this is offered "go to live". */
const BEHIND_S = { low: 6, normal: 20 } as const;

/**
 * In a broadcast's first moments a playlist is still empty, which hls.js counts as an error, for picture and sound
 * together. With its own waits of 1 s and 2 s the sound would come late and the picture wait for it.
 */
const EAGER_PLAYLISTS: HlsConfig["playlistLoadPolicy"] = {
  default: {
    ...Hls.DefaultConfig.playlistLoadPolicy.default,
    errorRetry: { maxNumRetry: 12, retryDelayMs: 400, maxRetryDelayMs: 400, backoff: "linear" },
  },
};

const initial: EngineState = {
  phase: "loading",
  qualities: [],
  chosen: -1,
  active: -1,
  latencyS: null,
  isBehind: false,
  isEnded: false,
  needsTap: false,
};

export class Engine {
  private hls: Hls | null = null;
  private history: History = noHistory;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private listeners = new Set<() => void>();
  private state = initial;
  private isDestroyed = false;
  private startAt = -1;
  /** While the start may still end in a jump: when that ends, or null before the first picture. */
  private startingUntil: number | null = null;
  /** The speed that this set, or 1. */
  private rate = 1;

  constructor(
    private readonly video: HTMLVideoElement,
    private options: EngineOptions,
  ) {
    video.addEventListener("playing", this.onPlaying);
    video.addEventListener("ended", this.onEnded);
    video.addEventListener("seeking", this.onSeeking);
    video.addEventListener("pause", this.endStart);
    video.addEventListener("waiting", this.onWaiting);
    video.addEventListener("timeupdate", this.keepPace);
    video.addEventListener("error", this.onNativeError);
    this.ticker = setInterval(this.measure, LATENCY_EVERY_MS);
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
    this.video.removeEventListener("playing", this.onPlaying);
    this.video.removeEventListener("ended", this.onEnded);
    this.video.removeEventListener("seeking", this.onSeeking);
    this.video.removeEventListener("pause", this.endStart);
    this.video.removeEventListener("waiting", this.onWaiting);
    this.video.removeEventListener("timeupdate", this.keepPace);
    this.video.removeEventListener("error", this.onNativeError);
    this.close();
    this.video.removeAttribute("src");
    this.video.load();
    this.listeners.clear();
  }

  choose(index: number): void {
    if (!this.hls) return;
    this.hls.nextLevel = index;
    this.set({ chosen: index });
  }

  setLatencyMode(latencyMode: LatencyMode): void {
    if (latencyMode === this.options.latencyMode) return;
    this.options = { ...this.options, latencyMode };
    this.open();
  }

  goLive(): void {
    this.endStart();
    const edge = this.hls?.liveSyncPosition ?? this.seekableEnd();
    if (edge !== null && Number.isFinite(edge)) this.video.currentTime = edge;
    void this.play();
  }

  /** Starts over at once, as the viewer or a returning broadcaster asks. */
  retryNow(): void {
    this.history = noHistory;
    this.reopen();
  }

  async play(): Promise<void> {
    try {
      await this.video.play();
      this.set({ needsTap: false });
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      if (!this.video.muted) {
        // Browsers refuse sound before a gesture; silence is mostly allowed.
        this.video.muted = true;
        await this.video.play().catch(() => this.set({ needsTap: true }));
      } else {
        this.set({ needsTap: true });
      }
    }
  }

  private open(): void {
    this.close();
    if (this.isDestroyed) return;
    this.set({ phase: this.state.phase === "retrying" ? "retrying" : "loading", isEnded: false });
    if (Hls.isSupported()) {
      this.openHls();
    } else if (this.video.canPlayType("application/vnd.apple.mpegurl")) {
      this.video.src = this.options.src;
      void this.play();
    } else {
      this.set({ phase: "unsupported" });
    }
  }

  private openHls(): void {
    const hls = new Hls(configFor(this.options, this.startAt));
    this.hls = hls;
    this.startingUntil = null;
    // Set here and not in the config: there it would demand a fixed distance and override PART-HOLD-BACK.
    if (this.options.isLive) hls.config.liveMaxLatencyDurationCount = LATENCY_SEGMENTS_MAX;
    hls.on(Events.MANIFEST_PARSED, () => {
      const qualities = hls.levels
        .map((level, index) => ({
          index,
          height: level.height,
          bitrate: level.bitrate,
          isAudioOnly: Boolean(level.audioCodec) && !level.videoCodec,
        }))
        .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
      this.set({ qualities, chosen: -1 });
      void this.play();
    });
    hls.on(Events.LEVEL_SWITCHED, (_, { level }) => this.set({ active: level }));
    hls.on(Events.FRAG_BUFFERED, () => {
      if (this.state.phase === "retrying" && !this.video.paused) this.onPlaying();
    });
    hls.on(Events.ERROR, (_, data) => {
      if (data.fatal) this.recover(data);
    });
    hls.attachMedia(this.video);
    hls.loadSource(this.options.src);
  }

  private close(): void {
    this.setRate(1);
    this.hls?.destroy();
    this.hls = null;
  }

  private recover(data: ErrorData): void {
    const step = remedy(faultOf(data), this.history, performance.now());
    this.history = step.history;
    if (step.do === "reset-decoder") {
      this.hls?.recoverMediaError();
      return;
    }
    if (!this.options.isLive && this.video.currentTime > 0) this.startAt = this.video.currentTime;
    if (step.do === "give-up") {
      this.close();
      this.set({ phase: step.why });
      return;
    }
    this.set({ phase: "retrying" });
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
    this.set({ phase: "playing", isEnded: false, needsTap: false });
  };

  private onEnded = () => this.set({ isEnded: true });
  private onSeeking = () => this.set({ isEnded: false });
  private onWaiting = () => this.setRate(1);

  private endStart = () => {
    this.startingUntil = 0;
  };

  /** Where hls.js holds the rate only while more than a second is buffered, and so switches it at every part. */
  private keepPace = () => {
    const { hls, video } = this;
    if (!hls || !this.options.isLive || this.options.latencyMode !== "low") return;
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

  private setRate(rate: number): void {
    if (rate === this.rate) return;
    this.rate = rate;
    this.video.playbackRate = rate;
  }

  private onNativeError = () => {
    if (this.hls || !this.video.src || this.isDestroyed) return;
    const code = this.video.error?.code;
    if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) this.set({ phase: "missing" });
    else if (code === MediaError.MEDIA_ERR_NETWORK) this.set({ phase: "network" });
    else if (code) this.set({ phase: "broken" });
  };

  private measure = () => {
    if (!this.options.isLive || this.video.readyState < 2) return;
    const hls = this.hls;
    const details = hls?.latestLevelDetails ?? null;
    if (details && !details.live) {
      this.set({ latencyS: null, isBehind: false });
      return;
    }
    const date = hls?.playingDate?.getTime() ?? null;
    const fromEdge = hls ? hls.latency : null;
    const latencyS = measuredLatency(date, Date.now(), fromEdge);
    const isBehind = latencyS !== null && latencyS > BEHIND_S[this.options.latencyMode];
    const rounded = latencyS === null ? null : Math.round(latencyS * 10) / 10;
    this.set({ latencyS: rounded, isBehind });
  };

  private seekableEnd(): number | null {
    const { seekable } = this.video;
    return seekable.length > 0 ? seekable.end(seekable.length - 1) : null;
  }

  private set(change: Partial<EngineState>): void {
    const keys = Object.keys(change) as (keyof EngineState)[];
    if (keys.every((key) => this.state[key] === change[key])) return;
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener();
  }
}

function bufferedTo({ buffered }: HTMLVideoElement, at: number): number {
  for (let i = 0; i < buffered.length; i += 1)
    if (buffered.start(i) <= at && at <= buffered.end(i)) return buffered.end(i);
  return at;
}

function configFor({ isLive, latencyMode }: EngineOptions, startAt: number): Partial<HlsConfig> {
  const shared: Partial<HlsConfig> = {
    enableWorker: true,
    capLevelToPlayerSize: true,
    // Start with what a modest line carries and climb; a first guess too high shows as a stall.
    abrEwmaDefaultEstimate: 3_000_000,
    startPosition: startAt,
  };
  if (!isLive) return { ...shared, maxBufferLength: 30, maxMaxBufferLength: 120, backBufferLength: 60 };
  const live: Partial<HlsConfig> = {
    ...shared,
    liveDurationInfinity: true,
    // The speed is pace.ts's.
    maxLiveSyncPlaybackRate: 1,
    playlistLoadPolicy: EAGER_PLAYLISTS,
    backBufferLength: 30,
    maxBufferLength: 12,
  };
  if (latencyMode === "normal") return { ...live, lowLatencyMode: false };
  return {
    ...live,
    // The distance from the edge is the playlist's PART-HOLD-BACK; each stall adds a little to it.
    lowLatencyMode: true,
    liveSyncOnStallIncrease: 0.4,
  };
}

function faultOf(data: ErrorData): Fault {
  const codecFaults: string[] = [
    ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
    ErrorDetails.BUFFER_ADD_CODEC_ERROR,
    ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ];
  if (codecFaults.includes(data.details)) return "codec";
  if (data.type === ErrorTypes.NETWORK_ERROR) {
    const isManifest = data.details === ErrorDetails.MANIFEST_LOAD_ERROR;
    return isManifest && data.response?.code === 404 ? "missing" : "network";
  }
  return data.type === ErrorTypes.MEDIA_ERROR ? "media" : "other";
}
