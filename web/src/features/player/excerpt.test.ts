import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

/** What the engine needs of hls.js for a playlist of ten seconds, of which a clip of six begins at 1.5. */
class FakeHls {
  static last: FakeHls;
  static isSupported = () => true;
  static version = "0";
  static DefaultConfig = { playlistLoadPolicy: { default: {} } };
  latestLevelDetails = { live: false, fragments: [], fragmentStart: 0, startTimeOffset: 1.5 };
  liveSyncPosition = null;
  levels = [];
  audioTracks = [];
  listeners = new Map<string, (event: string, data: unknown) => void>();
  on = (event: string, heard: (event: string, data: unknown) => void) => this.listeners.set(event, heard);
  once = this.on;
  attachMedia = vi.fn();
  loadSource = vi.fn();
  destroy = vi.fn();
  constructor(public config: Record<string, unknown>) {
    FakeHls.last = this;
  }
  loaded(): void {
    this.listeners.get("level")?.("level", { details: this.latestLevelDetails });
  }
}

vi.mock("hls.js", () => ({
  default: FakeHls,
  Events: { LEVEL_LOADED: "level" },
  ErrorDetails: {},
  ErrorTypes: {},
}));

const { Engine } = await import("./engine");

function open(excerptS: number | null = 6, duration = 10) {
  const element = document.createElement("video");
  const state = { paused: true, at: 1.5 };
  Object.defineProperties(element, {
    currentTime: {
      get: () => state.at,
      set: (to: number) => {
        state.at = to;
        element.dispatchEvent(new Event("seeking"));
      },
    },
    duration: { get: () => duration },
    paused: { get: () => state.paused },
    seeking: { get: () => false },
    readyState: { get: () => 4 },
    buffered: { get: () => ({ length: 1, start: () => 0, end: () => 9 }) },
  });
  element.play = async () => {
    state.paused = false;
  };
  element.pause = () => {
    state.paused = true;
    element.dispatchEvent(new Event("pause"));
  };
  element.load = () => undefined;
  const engine = new Engine(element, {
    src: "http://tv/clip/1/index.m3u8",
    isLive: false,
    latencyMode: "low",
    excerptS,
  });
  FakeHls.last.loaded();
  const playTo = (second: number) => {
    state.at = second;
    element.dispatchEvent(new Event("timeupdate"));
  };
  return { element, engine, playTo };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a clip", () => {
  it("has a timeline of its own within the segments it is played from", () => {
    const { engine, playTo } = open();
    expect(FakeHls.last.config.startPosition).toBe(-1);
    expect(engine.timeline()).toEqual({ start: 0, end: 6, at: 0, bufferedTo: 6 });
    playTo(3.5);
    expect(engine.timeline()?.at).toBe(2);
    playTo(0.2);
    expect(engine.timeline()?.at).toBe(0);
    engine.destroy();
  });

  it("is as long as its recording lets it be", () => {
    const { engine } = open(6, 6.5);
    expect(engine.timeline()?.end).toBe(5);
    engine.destroy();
  });

  it("seeks in its own time", () => {
    const { engine, element } = open();
    engine.seek(4);
    expect(element.currentTime).toBe(5.5);
    engine.destroy();
  });

  it("ends at its end and not at its last segment's, and begins anew when it is played again", async () => {
    const { engine, element, playTo } = open();
    await engine.play();
    playTo(7.4);
    expect(engine.snapshot().isEnded).toBe(false);
    playTo(7.5);
    expect([engine.snapshot().isEnded, element.paused]).toEqual([true, true]);
    await engine.play();
    expect([element.currentTime, element.paused, engine.snapshot().isEnded]).toEqual([1.5, false, false]);
    engine.destroy();
  });

  it("goes round when it is looped, also from its end", async () => {
    const { engine, element, playTo } = open();
    await engine.play();
    engine.setLoop(true);
    playTo(7.6);
    expect([element.currentTime, element.paused, engine.snapshot().isEnded]).toEqual([1.5, false, false]);
    engine.setLoop(false);
    playTo(7.6);
    expect(element.paused).toBe(true);
    engine.setLoop(true);
    await vi.advanceTimersByTimeAsync(0);
    expect([element.currentTime, element.paused]).toEqual([1.5, false]);
    engine.destroy();
  });
});

it("a whole recording ends where it ends", async () => {
  const { engine, element, playTo } = open(null);
  await engine.play();
  playTo(7.6);
  expect(engine.snapshot().isEnded).toBe(false);
  element.dispatchEvent(new Event("ended"));
  expect(engine.snapshot().isEnded).toBe(true);
  engine.destroy();
});
