import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

vi.mock("hls.js", () => ({
  default: { isSupported: () => false, DefaultConfig: { playlistLoadPolicy: { default: {} } } },
  Events: {},
  ErrorDetails: {},
  ErrorTypes: {},
}));

const { Mediator } = await import("./mediator");

/** A recording of 100 s that plays by itself, as a browser with HLS of its own shows it. */
function recording() {
  const video = document.createElement("video");
  const state = { paused: false, muted: false, volume: 1, rate: 1, at: 30 };
  const own = <K extends keyof typeof state>(key: K, event?: string) => ({
    get: () => state[key],
    set: (to: (typeof state)[K]) => {
      state[key] = to;
      if (event) video.dispatchEvent(new Event(event));
    },
    configurable: true,
  });
  Object.defineProperties(video, {
    paused: { get: () => state.paused },
    muted: own("muted", "volumechange"),
    volume: own("volume", "volumechange"),
    playbackRate: own("rate", "ratechange"),
    currentTime: own("at", "timeupdate"),
    duration: { get: () => 100 },
    buffered: { get: () => ({ length: 0 }) },
    seekable: { get: () => ({ length: 1, start: () => 0, end: () => 100 }) },
  });
  video.canPlayType = () => "probably";
  video.load = () => {};
  video.play = async () => {
    state.paused = false;
    video.dispatchEvent(new Event("play"));
  };
  video.pause = () => {
    state.paused = true;
    video.dispatchEvent(new Event("pause"));
  };
  return video;
}

function made(isLive = false) {
  const video = recording();
  const onSound = vi.fn();
  const options = { src: "/vod/1/index.m3u8", isLive, latencyMode: "low" as const };
  const mediator = new Mediator(video, document.createElement("div"), isLive, options, onSound);
  return { video, mediator, onSound };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the mediator", () => {
  it("does what is asked, and says what came of it", () => {
    const { video, mediator } = made();
    expect(mediator.request({ do: "toggle" })).toEqual({ what: "paused" });
    expect(video.paused).toBe(true);
    expect(mediator.snapshot().isPaused).toBe(true);
    expect(mediator.request({ do: "toggle" })).toEqual({ what: "playing" });
    expect(mediator.request({ do: "seek-by", by: 10 })).toEqual({ what: "seek", by: 10, at: 40, end: 100 });
    expect(mediator.request({ do: "seek-by", by: -60 })).toMatchObject({ at: 0 });
    expect(mediator.request({ do: "seek-share", to: 0.5 })).toMatchObject({ at: 50 });
    expect(mediator.snapshot().timeline?.at).toBe(50);
    mediator.destroy();
  });

  it("never seeks out of the recording", () => {
    const { video, mediator } = made();
    mediator.request({ do: "seek", to: 4_000 });
    expect(video.currentTime).toBe(100);
    mediator.destroy();
  });

  it("keeps the volume between silence and all, and tells who remembers it", () => {
    const { video, mediator, onSound } = made();
    expect(mediator.request({ do: "volume-by", by: -0.05 })).toEqual({ what: "volume", value: 0.95 });
    expect(onSound).toHaveBeenLastCalledWith(0.95, false);
    expect(mediator.request({ do: "volume-by", by: 5 })).toEqual({ what: "volume", value: 1 });
    expect(mediator.request({ do: "mute" })).toEqual({ what: "muted" });
    expect(onSound).toHaveBeenLastCalledWith(1, true);
    // Louder from silence begins at silence.
    expect(mediator.request({ do: "volume-by", by: 0.05 })).toEqual({ what: "volume", value: 0.05 });
    expect(video.muted).toBe(false);
    mediator.request({ do: "volume", to: 0 });
    expect(video.muted).toBe(true);
    // Sound that is turned on is heard.
    mediator.request({ do: "mute" });
    expect(video.volume).toBe(0.5);
    mediator.destroy();
  });

  it("steps through the speeds of a recording, never of a broadcast", () => {
    const { mediator } = made();
    expect(mediator.request({ do: "speed-step", by: 1 })).toEqual({ what: "speed", value: 1.25 });
    expect(mediator.request({ do: "speed", to: 2 })).toEqual({ what: "speed", value: 2 });
    expect(mediator.request({ do: "speed-step", by: 1 })).toEqual({ what: "speed", value: 2 });
    mediator.destroy();
    const live = made(true);
    expect(live.mediator.request({ do: "speed", to: 2 })).toBeNull();
    expect(live.video.playbackRate).toBe(1);
    live.mediator.destroy();
  });

  it("tells nobody of nothing, and keeps what did not change the same object", () => {
    const { video, mediator } = made();
    const told = vi.fn();
    mediator.subscribe(told);
    const { timeline } = mediator.snapshot();
    video.dispatchEvent(new Event("progress"));
    expect(told).not.toHaveBeenCalled();
    video.volume = 0.3;
    expect(told).toHaveBeenCalledOnce();
    expect(mediator.snapshot().timeline).toBe(timeline);
    mediator.destroy();
  });

  it("has no captions to turn on where there are none", () => {
    const { mediator } = made();
    expect(mediator.request({ do: "captions" })).toBeNull();
    mediator.destroy();
  });

  it("hears nothing any more once it is destroyed", () => {
    const { video, mediator } = made();
    const told = vi.fn();
    mediator.subscribe(told);
    mediator.destroy();
    video.volume = 0.1;
    vi.advanceTimersByTime(2_000);
    expect(told).not.toHaveBeenCalled();
  });
});
