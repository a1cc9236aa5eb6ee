// How hls.js is set up for a recording, a broadcast, and a broadcast seen from its beginning.
import Hls, { type ErrorData, ErrorDetails, ErrorTypes, type HlsConfig } from "hls.js";
import { withPermit } from "./permits";
import type { Fault } from "./recovery";

export type LatencyMode = "low" | "normal";

/** A viewer who fell this many segments behind, and did not choose to, is moved forward rather than sped up. */
export const LATENCY_SEGMENTS_MAX = 8;

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

export function configFor(
  kind: "recording" | "live" | "rewound",
  latencyMode: LatencyMode,
  startAt: number,
): Partial<HlsConfig> {
  const shared: Partial<HlsConfig> = {
    enableWorker: true,
    capLevelToPlayerSize: true,
    // Start with what a modest line carries and climb; a first guess too high shows as a stall.
    abrEwmaDefaultEstimate: 3_000_000,
    startPosition: startAt,
    // The token of what is not for everybody is the latest one, whatever the playlist was asked for with.
    xhrSetup: (xhr, url) => {
      const permitted = withPermit(url);
      if (permitted !== url) xhr.open("GET", permitted, true);
    },
  };
  if (kind === "recording")
    return { ...shared, maxBufferLength: 30, maxMaxBufferLength: 120, backBufferLength: 60 };
  const live: Partial<HlsConfig> = {
    ...shared,
    liveDurationInfinity: true,
    // The speed is pace.ts's.
    maxLiveSyncPlaybackRate: 1,
    playlistLoadPolicy: EAGER_PLAYLISTS,
    backBufferLength: 30,
    maxBufferLength: 12,
  };
  // Far from the edge nothing is gained by parts, and a long playlist is better asked for once per segment.
  if (kind === "rewound")
    return { ...live, lowLatencyMode: false, maxBufferLength: 30, backBufferLength: 60 };
  if (latencyMode === "normal") return { ...live, lowLatencyMode: false };
  return {
    ...live,
    // The distance from the edge is the playlist's PART-HOLD-BACK; each stall adds a little to it.
    lowLatencyMode: true,
    liveSyncOnStallIncrease: 0.4,
  };
}

export function faultOf(data: ErrorData): Fault {
  const codecFaults: string[] = [
    ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
    ErrorDetails.BUFFER_ADD_CODEC_ERROR,
    ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ];
  if (codecFaults.includes(data.details)) return "codec";
  if (data.type === ErrorTypes.NETWORK_ERROR) {
    // It was for this viewer and is not any more.
    if (data.response?.code === 403) return "missing";
    const isManifest = data.details === ErrorDetails.MANIFEST_LOAD_ERROR;
    return isManifest && data.response?.code === 404 ? "missing" : "network";
  }
  return data.type === ErrorTypes.MEDIA_ERROR ? "media" : "other";
}
