// The figures for people who want to know, as rows of words. Pure.

export type Figures = {
  width: number;
  height: number;
  shownWidth: number;
  shownHeight: number;
  fps: number | null;
  framesDropped: number | null;
  framesTotal: number | null;
  bufferS: number;
  latencyS: number | null;
  targetLatencyS: number | null;
  bandwidthBps: number | null;
  levelBps: number | null;
  codecs: string;
  level: string;
  mode: "live" | "live-steady" | "rewound" | "recording" | "native";
  playlist: string;
  rate: number;
  volume: number;
  engine: string;
};

export type Row = { key: keyof typeof ROWS; value: string };

const mbps = (bits: number | null) =>
  bits === null || !Number.isFinite(bits) ? "–" : `${(bits / 1e6).toFixed(2)} Mb/s`;
const seconds = (value: number | null) => (value === null ? "–" : `${value.toFixed(2)} s`);

/** Each figure as plain text, without units that a language would change. */
const ROWS = {
  resolution: (f: Figures) =>
    `${f.width}×${f.height}${f.fps ? ` @ ${Math.round(f.fps)}` : ""} → ${f.shownWidth}×${f.shownHeight}`,
  frames: (f: Figures) => (f.framesTotal === null ? "–" : `${f.framesDropped} / ${f.framesTotal}`),
  buffer: (f: Figures) => seconds(f.bufferS),
  latency: (f: Figures) =>
    f.latencyS === null
      ? "–"
      : `${seconds(f.latencyS)}${f.targetLatencyS === null ? "" : ` (→ ${seconds(f.targetLatencyS)})`}`,
  bandwidth: (f: Figures) => mbps(f.bandwidthBps),
  level: (f: Figures) => `${f.level} · ${mbps(f.levelBps)}`,
  codecs: (f: Figures) => f.codecs || "–",
  speed: (f: Figures) => `${f.rate.toFixed(2)}× · ${Math.round(f.volume * 100)} %`,
  mode: (f: Figures) => f.mode,
  playlist: (f: Figures) => f.playlist,
  engine: (f: Figures) => f.engine,
};

export function rowsOf(figures: Figures): Row[] {
  return (Object.keys(ROWS) as Row["key"][]).map((key) => ({ key, value: ROWS[key](figures) }));
}

/** A playlist's path without the viewer's id: what is copied ends up in other people's hands. */
export function withoutViewer(url: string): string {
  try {
    const at = new URL(url, "http://here.invalid");
    at.searchParams.delete("vs");
    at.searchParams.delete("token");
    return `${at.pathname}${at.search}`;
  } catch {
    return "";
  }
}
