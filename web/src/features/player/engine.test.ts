import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

type Listener = (event: string, data: unknown) => void;

const LIVE = [
  { height: 720, width: 1280, bitrate: 3e6, frameRate: 30, videoCodec: "avc1", audioCodec: "mp4a" },
  { height: 480, width: 854, bitrate: 1e6, frameRate: 30, videoCodec: "avc1", audioCodec: "mp4a" },
];
const SOUND = { height: 0, width: 0, bitrate: 1e5, frameRate: 0, videoCodec: "", audioCodec: "mp4a" };
const BEGAN = Date.parse("2026-11-21T12:00:00Z");

/** Fifteen segments of two seconds: on the player's clock from 70 to 100, by date 1,000 s after the beginning. */
function window15(from = 70, dateS = 1_000) {
  return Array.from({ length: 15 }, (_, i) => ({
    start: from + i * 2,
    duration: 2,
    programDateTime: BEGAN + (dateS + i * 2) * 1000,
  }));
}

/** What the engine needs of hls.js: its numbers are set by the test, nothing is loaded. */
class FakeHls {
  static last: FakeHls;
  static made = 0;
  static isSupported = () => true;
  static version = "0";
  static DefaultConfig = { playlistLoadPolicy: { default: {} } };
  liveSyncPosition: number | null = 100;
  latestLevelDetails: Record<string, unknown> | null = {
    live: true,
    fragments: window15(),
    fragmentStart: 70,
    edge: 100,
    startSN: 500,
  };
  latency = 0;
  /** Offset of the dates from the player's clock. */
  zeroMs = BEGAN + (1_000 - 70) * 1000;
  levels = LIVE;
  nextLevel = -1;
  loadLevel = -1;
  listeners = new Map<string, Listener>();
  on = (event: string, listener: Listener) => this.listeners.set(event, listener);
  once = this.on;
  attachMedia = vi.fn((element: HTMLVideoElement) => {
    this.element = element;
  });
  loadSource = vi.fn();
  stopLoad = vi.fn();
  startLoad = vi.fn();
  destroy = vi.fn();
  recoverMediaError = vi.fn();
  private element: HTMLVideoElement | null = null;
  constructor(public config: Record<string, unknown>) {
    FakeHls.last = this;
    FakeHls.made += 1;
  }
  get playingDate(): Date {
    return new Date(this.zeroMs + (this.element?.currentTime ?? 0) * 1000);
  }
  tell(event: string, data: unknown = {}): void {
    this.listeners.get(event)?.(event, data);
  }
  get src(): string {
    return String(this.loadSource.mock.lastCall?.[0]);
  }
}

vi.mock("hls.js", () => ({
  default: FakeHls,
  Events: {
    MANIFEST_LOADED: "loaded",
    MANIFEST_PARSED: "parsed",
    LEVEL_LOADED: "level",
    LEVEL_SWITCHED: "switched",
    FRAG_BUFFERED: "buffered",
    ERROR: "error",
  },
  ErrorDetails: { MANIFEST_LOAD_ERROR: "manifest" },
  ErrorTypes: { NETWORK_ERROR: "network", MEDIA_ERROR: "media" },
}));

const { Engine } = await import("./engine");

function video(at: number, bufferedTo: number): HTMLVideoElement {
  const element = document.createElement("video");
  const state = { paused: false, at };
  Object.defineProperties(element, {
    currentTime: {
      get: () => state.at,
      set: (to: number) => {
        state.at = to;
      },
    },
    paused: { get: () => state.paused },
    seeking: { get: () => false },
    readyState: { get: () => 4 },
    buffered: { get: () => ({ length: 1, start: () => 0, end: () => bufferedTo }) },
  });
  element.play = vi.fn(async () => {
    state.paused = false;
    element.dispatchEvent(new Event("play"));
  });
  element.pause = () => {
    state.paused = true;
    element.dispatchEvent(new Event("pause"));
  };
  element.load = () => {};
  return element;
}

function engineOf(element: HTMLVideoElement, more: object = {}) {
  const options = { src: "http://tv/live/alice/index.m3u8", isLive: true, latencyMode: "low" as const };
  return new Engine(element, { ...options, beganMs: BEGAN, ...more });
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeHls.made = 0;
});
afterEach(() => void vi.useRealTimers());

describe("a live player", () => {
  it("jumps to its place at its first picture", () => {
    const element = video(98, 101);
    const engine = engineOf(element);
    element.dispatchEvent(new Event("playing"));
    expect(element.currentTime).toBeCloseTo(99.8);
    engine.destroy();
  });

  it("never moves a viewer who has paused and gone on", async () => {
    const element = video(99.9, 110);
    const engine = engineOf(element);
    element.dispatchEvent(new Event("playing"));
    element.pause();
    FakeHls.last.liveSyncPosition = 102.5;
    await element.play();
    element.dispatchEvent(new Event("playing"));
    element.dispatchEvent(new Event("timeupdate"));
    expect(element.currentTime).toBe(99.9);
    // Nor does hls.js, which would jump over what it was paused for.
    expect(FakeHls.last.config.liveMaxLatencyDurationCount).toBe(Number.POSITIVE_INFINITY);
    engine.destroy();
  });

  it("waits for a rendition that its browser can decode instead of playing the sound", () => {
    const engine = engineOf(video(0, 0));
    const ready = (levels: typeof LIVE) => {
      FakeHls.last.levels = levels;
      FakeHls.last.tell("loaded", { levels: LIVE, audioTracks: [] });
      FakeHls.last.tell("parsed");
      vi.advanceTimersByTime(0);
    };
    ready([SOUND]);
    expect(engine.snapshot()).toMatchObject({ phase: "loading", qualities: [] });
    vi.advanceTimersByTime(2_000);
    expect(FakeHls.made).toBe(2);
    ready(LIVE);
    expect(engine.snapshot().qualities).toHaveLength(2);
    vi.advanceTimersByTime(20_000);
    expect(FakeHls.made).toBe(2);
    engine.destroy();
  });

  it("gives up where no rendition comes that its browser can decode", () => {
    const engine = engineOf(video(0, 0));
    for (let i = 0; i < 12; i += 1) {
      FakeHls.last.levels = [SOUND];
      FakeHls.last.tell("loaded", { levels: LIVE, audioTracks: [] });
      FakeHls.last.tell("parsed");
      vi.advanceTimersByTime(2_000);
    }
    expect(engine.snapshot().phase).toBe("unsupported");
    engine.destroy();
  });

  it("goes to the edge when asked, plays, and then leaves the place alone", () => {
    const element = video(99.7, 110);
    const engine = engineOf(element);
    element.dispatchEvent(new Event("playing"));
    element.pause();
    engine.goLive();
    expect(element.currentTime).toBe(100);
    expect(element.play).toHaveBeenCalled();
    expect(FakeHls.last.config.liveMaxLatencyDurationCount).toBe(8);
    FakeHls.last.liveSyncPosition = 103.5;
    element.dispatchEvent(new Event("timeupdate"));
    expect(element.currentTime).toBe(100);
    engine.destroy();
  });

  it("catches up a little, and stops when the stream has ended", () => {
    const element = video(99, 101);
    const engine = engineOf(element);
    element.dispatchEvent(new Event("playing"));
    element.pause();
    void element.play();
    element.currentTime = 99.2;
    element.dispatchEvent(new Event("timeupdate"));
    expect(element.playbackRate).toBe(1.1);
    FakeHls.last.latestLevelDetails = { live: false };
    element.dispatchEvent(new Event("timeupdate"));
    expect(element.playbackRate).toBe(1);
    engine.destroy();
  });

  it("lets go of hls.js when it is destroyed", () => {
    const element = video(98, 101);
    const engine = engineOf(element);
    const hls = FakeHls.last;
    engine.destroy();
    expect(hls.destroy).toHaveBeenCalledOnce();
    element.dispatchEvent(new Event("playing"));
    expect(element.currentTime).toBe(98);
  });
});

describe("rewinding", () => {
  it("within the live playlist is a seek", () => {
    const element = video(100, 101);
    const engine = engineOf(element);
    expect(engine.timeline()).toMatchObject({ start: 0, at: 1_030, end: 1_030 });
    engine.seek(1_015);
    expect(element.currentTime).toBe(85);
    expect(FakeHls.made).toBe(1);
    expect(FakeHls.last.config.liveMaxLatencyDurationCount).toBe(Number.POSITIVE_INFINITY);
    engine.destroy();
  });

  it("further back opens the long playlist at that date, without parts", () => {
    const element = video(100, 101);
    const engine = engineOf(element);
    engine.seek(300);
    const hls = FakeHls.last;
    expect(FakeHls.made).toBe(2);
    expect(hls.src).toContain("dvr=1");
    expect(hls.config).toMatchObject({ startPosition: 300, lowLatencyMode: false });
    expect(engine.snapshot()).toMatchObject({ isRewound: true });
    // The dates agree with the reckoning: nothing is corrected.
    hls.tell("level", { details: { fragments: window15(290, 290) } });
    expect(hls.startLoad).not.toHaveBeenCalled();
    engine.destroy();
  });

  it("finds its place by the dates where the broadcaster was away for a while", () => {
    const engine = engineOf(video(100, 101));
    engine.seek(300);
    const hls = FakeHls.last;
    hls.tell("level", { details: { fragments: window15(230, 290) } });
    expect(hls.startLoad).toHaveBeenCalledWith(240);
    engine.destroy();
  });

  it("begins where the server's playlist does, and the bar learns it", () => {
    const element = video(100, 101);
    const engine = engineOf(element);
    engine.seek(300);
    const hls = FakeHls.last;
    hls.tell("level", {
      details: { fragments: window15(0, 900), startSN: 450, live: true, totalduration: 30 },
    });
    // Not its very first segment, which will be gone before it is loaded.
    expect(hls.startLoad).toHaveBeenCalledWith(8);
    element.currentTime = 8;
    hls.zeroMs = BEGAN + 900_000;
    hls.liveSyncPosition = 120;
    expect(engine.timeline()?.start).toBeCloseTo(900);
    engine.destroy();
  });

  it("ends with the live playlist when the viewer goes live", () => {
    const element = video(100, 101);
    const engine = engineOf(element);
    engine.seek(300);
    engine.goLive();
    expect(FakeHls.last.src).not.toContain("dvr");
    expect(FakeHls.last.config).toMatchObject({ startPosition: -1, liveMaxLatencyDurationCount: 8 });
    expect(engine.snapshot().isRewound).toBe(false);
    engine.destroy();
  });

  it("a server without it leaves the viewer live", () => {
    const engine = engineOf(video(100, 101));
    engine.seek(300);
    FakeHls.last.tell("error", {
      fatal: true,
      type: "network",
      details: "manifest",
      response: { code: 404 },
    });
    expect(FakeHls.last.src).not.toContain("dvr");
    expect(engine.snapshot()).toMatchObject({ isRewound: false });
    engine.destroy();
  });

  it("takes over from a pause that outlasted the live playlist", async () => {
    const element = video(100, 101);
    const engine = engineOf(element);
    element.dispatchEvent(new Event("playing"));
    element.pause();
    FakeHls.last.latestLevelDetails = {
      live: true,
      fragments: window15(130, 1_060),
      fragmentStart: 130,
      startSN: 530,
    };
    vi.advanceTimersByTime(5_000);
    expect(FakeHls.made).toBe(1);
    await element.play();
    expect(FakeHls.last.src).toContain("dvr=1");
    expect(FakeHls.last.config.startPosition).toBe(1_030);
    engine.destroy();
  });

  it("a paused viewer who moves stays paused", async () => {
    const element = video(100, 101);
    const engine = engineOf(element);
    engine.pause();
    engine.seek(300);
    FakeHls.last.tell("parsed");
    await vi.advanceTimersByTimeAsync(100);
    expect(element.play).not.toHaveBeenCalled();
    engine.destroy();
  });
});

describe("the quality", () => {
  const manifest = { levels: LIVE, audioTracks: [{ url: "http://tv/live/alice/audio/index.m3u8" }] };

  it("is the remembered one from the first segment on", () => {
    const engine = engineOf(video(100, 101), { quality: "480p" });
    FakeHls.last.tell("loaded", manifest);
    FakeHls.last.tell("parsed");
    expect(FakeHls.last.loadLevel).toBe(1);
    expect(engine.snapshot().qualities.map(({ id }) => id)).toEqual(["720p", "480p", "audio"]);
    engine.destroy();
  });

  it("changes at the next segment, and outlives a reload", () => {
    const engine = engineOf(video(100, 101));
    FakeHls.last.tell("loaded", manifest);
    FakeHls.last.tell("parsed");
    expect(FakeHls.last.loadLevel).toBe(-1);
    engine.choose("480p");
    expect(FakeHls.last.nextLevel).toBe(1);
    FakeHls.last.tell("switched", { level: 1 });
    expect(engine.snapshot().active?.id).toBe("480p");
    engine.retryNow();
    FakeHls.last.tell("loaded", manifest);
    FakeHls.last.tell("parsed");
    expect(FakeHls.last.loadLevel).toBe(1);
    engine.choose("auto");
    expect(FakeHls.last.nextLevel).toBe(-1);
    engine.destroy();
  });

  it("of sound alone is the sound's own playlist, and back", () => {
    const engine = engineOf(video(100, 101));
    FakeHls.last.tell("loaded", manifest);
    FakeHls.last.tell("parsed");
    engine.choose("audio");
    expect(FakeHls.last.src).toBe("http://tv/live/alice/audio/index.m3u8");
    FakeHls.last.tell("loaded", { levels: [{ audioCodec: "mp4a" }], audioTracks: [] });
    FakeHls.last.tell("parsed");
    expect(engine.snapshot().qualities).toHaveLength(3);
    engine.choose("720p");
    expect(FakeHls.last.src).toBe("http://tv/live/alice/index.m3u8");
    engine.destroy();
  });
});

describe("a recording", () => {
  it("begins where the viewer stopped, and goes on there after a fault", () => {
    const element = video(0, 300);
    const engine = engineOf(element, { isLive: false, startAt: 240 });
    expect(FakeHls.last.config.startPosition).toBe(240);
    element.currentTime = 260;
    FakeHls.last.tell("error", { fatal: true, type: "network", details: "fragment" });
    expect(engine.snapshot()).toMatchObject({ phase: "retrying" });
    expect(engine.snapshot().retryAt).toBeGreaterThan(Date.now());
    vi.advanceTimersByTime(2_000);
    expect(FakeHls.made).toBe(2);
    expect(FakeHls.last.config.startPosition).toBe(260);
    engine.destroy();
  });
});
