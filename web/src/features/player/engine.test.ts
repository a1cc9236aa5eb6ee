import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

type Listener = (event: string, data: unknown) => void;

/** What the engine needs of hls.js: its numbers are set by the test, nothing is loaded. */
class FakeHls {
  static last: FakeHls;
  static isSupported = () => true;
  static DefaultConfig = { playlistLoadPolicy: { default: {} } };
  liveSyncPosition: number | null = 100;
  latestLevelDetails: { live: boolean } | null = { live: true };
  latency = 0;
  playingDate: Date | null = null;
  levels = [];
  nextLevel = -1;
  config: Record<string, unknown> = {};
  listeners = new Map<string, Listener>();
  on = (event: string, listener: Listener) => this.listeners.set(event, listener);
  attachMedia = vi.fn();
  loadSource = vi.fn();
  destroy = vi.fn();
  recoverMediaError = vi.fn();
  constructor() {
    FakeHls.last = this;
  }
}

vi.mock("hls.js", () => ({
  default: FakeHls,
  Events: {
    MANIFEST_PARSED: "parsed",
    LEVEL_SWITCHED: "switched",
    FRAG_BUFFERED: "buffered",
    ERROR: "error",
  },
  ErrorDetails: {},
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
    buffered: { get: () => ({ length: 1, start: () => 0, end: () => bufferedTo }) },
  });
  element.play = vi.fn(async () => {
    state.paused = false;
  });
  element.pause = () => {
    state.paused = true;
    element.dispatchEvent(new Event("pause"));
  };
  element.load = () => {};
  return element;
}

function engineOf(element: HTMLVideoElement) {
  return new Engine(element, { src: "/live/alice/index.m3u8", isLive: true, latencyMode: "low" });
}

beforeEach(() => void vi.useFakeTimers());
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
