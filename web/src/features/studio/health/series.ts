// The seconds a broadcaster looks at, as a pure store: history first, then what the socket tells, without doubles.
import type { IngestIssue, IngestSample, IngestVerdict } from "@/api/types";

/** Server and socket tell a second at most this late when all is well. */
export const STALE_AFTER_MS = 5_000;

export type Lamp = IngestVerdict | "unknown";

/** Samples of both lists in order of time, each moment once, the newest `spanS` seconds only. */
export function merge(
  known: readonly IngestSample[],
  fresh: readonly IngestSample[],
  spanS: number,
): IngestSample[] {
  const last = known.at(-1);
  const first = fresh[0];
  let all: IngestSample[];
  if (!last || !first || last.at < first.at) {
    // The usual case: one more second.
    all = [...known, ...fresh];
  } else {
    const byTime = new Map([...known, ...fresh].map((sample) => [sample.at, sample]));
    all = [...byTime.values()].sort((a, b) => (a.at < b.at ? -1 : 1));
  }
  const end = all.at(-1);
  if (!end) return all;
  const since = Date.parse(end.at) - spanS * 1_000;
  const begin = all.findIndex((sample) => Date.parse(sample.at) > since);
  return begin <= 0 ? all : all.slice(begin);
}

/** What the lamp shows. `heardAt` is when this page last heard anything, by its own clock. */
export function lamp(state: {
  verdict: IngestVerdict | null;
  heardAt: number | null;
  isReconnecting: boolean;
  isLineUp: boolean;
  now: number;
}): Lamp {
  if (state.isReconnecting) return "noData";
  if (state.verdict === null || state.heardAt === null) return "unknown";
  if (state.now - state.heardAt <= STALE_AFTER_MS) return state.verdict;
  // Without a line nobody knows; with one, silence means that nothing arrives.
  return state.isLineUp ? "noData" : "unknown";
}

export const GRAPHS = ["bitrate", "fps", "keyframe", "drift", "delay"] as const;
export type GraphName = (typeof GRAPHS)[number];

type LineKey = "video" | "audio" | "fps" | "keyframe" | "offset" | "drift" | "delay" | "queue";
export type Line = { key: LineKey; of: (sample: IngestSample) => number | null };

const seconds = (ms: number | null | undefined) => (ms === null || ms === undefined ? null : ms / 1_000);

export const LINES: Record<GraphName, readonly Line[]> = {
  bitrate: [
    { key: "video", of: (sample) => sample.video_kbps },
    { key: "audio", of: (sample) => sample.audio_kbps },
  ],
  fps: [{ key: "fps", of: (sample) => sample.fps }],
  keyframe: [{ key: "keyframe", of: (sample) => seconds(sample.keyframe_ms) }],
  drift: [
    { key: "offset", of: (sample) => sample.av_offset_ms },
    { key: "drift", of: (sample) => sample.audio_drift_ms },
  ],
  delay: [
    { key: "delay", of: (sample) => sample.delay_ms },
    { key: "queue", of: (sample) => sample.queue_ms },
  ],
};

/** Columns for a graph: times in seconds, then each line. A pause in the samples is a pause in the lines. */
export function columns(
  samples: readonly IngestSample[],
  lines: readonly Line[],
  stepS: number,
): (number | null)[][] {
  const out: (number | null)[][] = [[], ...lines.map(() => [])];
  let before: number | null = null;
  for (const sample of samples) {
    const at = Date.parse(sample.at) / 1_000;
    if (before !== null && at - before > 3 * stepS + 2) {
      out[0]?.push(before + stepS);
      for (let i = 1; i < out.length; i += 1) out[i]?.push(null);
    }
    out[0]?.push(at);
    lines.forEach((line, i) => {
      out[i + 1]?.push(sample.verdict === "noData" ? null : line.of(sample));
    });
    before = at;
  }
  return out;
}

export type Spread = { last: number | null; min: number | null; max: number | null };

/** What a line did, in three numbers: for people who do not see the graph. */
export function spread(samples: readonly IngestSample[], line: Line): Spread {
  const values = samples
    .filter((sample) => sample.verdict !== "noData")
    .map(line.of)
    .filter((value): value is number => value !== null);
  if (values.length === 0) return { last: null, min: null, max: null };
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  return { last: values.at(-1) ?? null, min: least, max: most };
}

/** Every issue there is: the texts are checked against this list. */
export const ISSUES: readonly IngestIssue[] = [
  "bitrateLow",
  "bitrateHigh",
  "bitrateUnstable",
  "audioBitrateLow",
  "audioBitrateHigh",
  "audioSampleRate",
  "audioTooManyChannels",
  "noAudioStream",
  "noVideoStream",
  "multipleVideoStreams",
  "multipleAudioStreams",
  "frameRateLow",
  "frameRateUnstable",
  "frameRateHigh",
  "gopSizeLong",
  "gopSizeShort",
  "gopIrregular",
  "bFrames",
  "audioVideoOffset",
  "audioVideoDrift",
  "videoIngestionStarved",
  "videoIngestionFasterThanRealtime",
  "serverQueue",
];

/** Issues of a newer server that this page has no words for are left out. */
export function isKnown(issue: string): issue is IngestIssue {
  return (ISSUES as readonly string[]).includes(issue);
}
