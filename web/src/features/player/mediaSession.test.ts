import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { positionOf, tellMediaSession } from "./mediaSession";
import type { Mediator } from "./mediator";
import { nothing } from "./useMediator";

const handlers = new Map<string, ((details: object) => void) | null>();
const session = {
  metadata: null as unknown,
  playbackState: "none",
  setPositionState: vi.fn(),
  setActionHandler: (action: string, handler: never) => {
    if (action === "stop") throw new TypeError("unknown action");
    handlers.set(action, handler);
  },
};

beforeEach(() => {
  vi.stubGlobal("navigator", { mediaSession: session });
  vi.stubGlobal(
    "MediaMetadata",
    class {
      constructor(public init: object) {}
    },
  );
});
afterEach(() => vi.unstubAllGlobals());

function mediator(view: object) {
  const request = vi.fn();
  const listeners = new Set<() => void>();
  const made = {
    request,
    snapshot: () => ({ ...nothing, ...view }),
    subscribe: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as Mediator;
  return { made, request, listeners };
}

it("the system knows a recording, its place and how to move it, until it is told otherwise", () => {
  const line = { start: 0, at: 12, end: 90, bufferedTo: 20 };
  const { made, request, listeners } = mediator({ isPaused: false, timeline: line, speed: 1.5 });
  const stop = tellMediaSession(made, { title: "T", artist: "A", poster: "/p.jpg", isLive: false });
  expect(session.metadata).toMatchObject({ init: { title: "T", artist: "A" } });
  expect(session.playbackState).toBe("playing");
  expect(session.setPositionState).toHaveBeenLastCalledWith({
    duration: 90,
    position: 12,
    playbackRate: 1.5,
  });
  handlers.get("seekto")?.({ seekTime: 33 });
  expect(request).toHaveBeenLastCalledWith({ do: "seek", to: 33 });
  handlers.get("seekbackward")?.({});
  expect(request).toHaveBeenLastCalledWith({ do: "seek-by", by: -10 });
  stop();
  expect([session.metadata, session.playbackState, listeners.size]).toEqual([null, "none", 0]);
  expect(handlers.get("seekto")).toBeNull();
});

it("a broadcast has no bar to show", () => {
  handlers.clear();
  const { made } = mediator({ timeline: { start: 0, at: 12, end: 90, bufferedTo: 20 } });
  const stop = tellMediaSession(made, { title: "T", artist: "A", poster: null, isLive: true });
  expect(session.setPositionState).toHaveBeenLastCalledWith();
  expect(handlers.has("seekto")).toBe(false);
  stop();
});

it("a position is told only in numbers that the system takes", () => {
  expect(positionOf(null, 1)).toBeNull();
  expect(positionOf({ at: 1, end: Number.POSITIVE_INFINITY }, 1)).toBeNull();
  expect(positionOf({ at: 95, end: 90 }, 1)).toEqual({ duration: 90, position: 90, playbackRate: 1 });
});
