import { expect, it } from "vitest";
import { type Figures, rowsOf, withoutViewer } from "./stats";

const figures: Figures = {
  width: 1280,
  height: 720,
  shownWidth: 682,
  shownHeight: 384,
  fps: 30,
  framesDropped: 3,
  framesTotal: 900,
  bufferS: 1.234,
  latencyS: 0.9,
  targetLatencyS: 0.6,
  bandwidthBps: 12_345_678,
  levelBps: 1_871_186,
  codecs: "avc1.42c01f, mp4a.40.2",
  level: "720p",
  mode: "live",
  playlist: "/live/ana/source/index.m3u8",
  rate: 1.1,
  volume: 0.5,
  engine: "hls.js 1.7.4",
};

it("the figures are readable, and what is not known is a dash", () => {
  const text = Object.fromEntries(rowsOf(figures).map(({ key, value }) => [key, value]));
  expect(text).toMatchObject({
    resolution: "1280×720 @ 30 → 682×384",
    frames: "3 / 900",
    buffer: "1.23 s",
    latency: "0.90 s (→ 0.60 s)",
    bandwidth: "12.35 Mb/s",
    level: "720p · 1.87 Mb/s",
    speed: "1.10× · 50 %",
    engine: "hls.js 1.7.4",
  });
  const native = { ...figures, bandwidthBps: null, framesTotal: null, latencyS: null, codecs: "" };
  const less = Object.fromEntries(rowsOf(native).map(({ key, value }) => [key, value]));
  expect(less).toMatchObject({ bandwidth: "–", frames: "–", latency: "–", codecs: "–" });
});

it("what is copied names no viewer", () => {
  expect(withoutViewer("https://tv.example/live/ana/index.m3u8?vs=1234&dvr=1")).toBe(
    "/live/ana/index.m3u8?dvr=1",
  );
});
