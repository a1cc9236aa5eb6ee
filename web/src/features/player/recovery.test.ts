import { describe, expect, it } from "vitest";
import { withViewer } from "./address";
import { measuredLatency, noHistory, RETRIES_MAX, remedy } from "./recovery";

const steady = () => 0.5;

describe("a fatal fault", () => {
  it("of the network is retried with growing waits, then given up", () => {
    let history = noHistory;
    const waits: number[] = [];
    for (let i = 0; i < RETRIES_MAX; i += 1) {
      const step = remedy("network", history, 0, steady);
      if (step.do !== "retry") throw new Error("gave up early");
      waits.push(step.inMs);
      history = step.history;
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000]);
    expect(remedy("network", history, 0)).toMatchObject({ do: "give-up", why: "network" });
    expect(remedy("missing", history, 0)).toMatchObject({ do: "give-up", why: "missing" });
  });

  it("of the decoder resets it once, and reloads when that does not hold", () => {
    const first = remedy("media", noHistory, 1_000, steady);
    expect(first.do).toBe("reset-decoder");
    expect(remedy("media", first.history, 5_000, steady).do).toBe("retry");
    expect(remedy("media", first.history, 20_000, steady).do).toBe("reset-decoder");
  });

  it("of the codec is waited out in a broadcast, whose other renditions come a little later", () => {
    let history = noHistory;
    for (let i = 0; i < RETRIES_MAX; i += 1) {
      const step = remedy("not-yet", history, 0, steady);
      if (step.do !== "retry") throw new Error("gave up early");
      expect(step.inMs).toBe(1500);
      history = step.history;
    }
    expect(remedy("not-yet", history, 0)).toMatchObject({ do: "give-up", why: "unsupported" });
  });

  it("of the codec is final in a recording", () => {
    expect(remedy("codec", noHistory, 0)).toMatchObject({ do: "give-up", why: "unsupported" });
  });
});

describe("the delay", () => {
  it("is taken from the playlist's date when the clocks agree", () => {
    expect(measuredLatency(10_000, 11_200, 0.9)).toBeCloseTo(1.2);
  });

  it("falls back to the distance from the edge when they do not", () => {
    expect(measuredLatency(10_000, 70_000, 1.1)).toBe(1.1);
    expect(measuredLatency(10_000, 4_000, 1.1)).toBe(1.1);
    expect(measuredLatency(null, 4_000, 1.1)).toBe(1.1);
    expect(measuredLatency(null, 4_000, 0)).toBeNull();
  });
});

it("the playlist's address carries the viewer's id and keeps its own query", () => {
  const url = new URL(withViewer("/live/ana/index.m3u8?dvr=1"));
  expect(url.pathname).toBe("/live/ana/index.m3u8");
  expect(url.searchParams.get("dvr")).toBe("1");
  expect(url.searchParams.get("vs")).toMatch(/^[0-9a-f-]{36}$/);
});
