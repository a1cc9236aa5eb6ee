// What an engine tells the statistics panel, read off the video and hls.js at the moment.
import Hls from "hls.js";
import type { EngineOptions, EngineState } from "./engineState";
import { AUDIO_ONLY } from "./quality";
import { type Figures, withoutViewer } from "./stats";
import { bufferedTo } from "./timeline";

interface Read {
  video: HTMLVideoElement;
  hls: Hls | null;
  state: EngineState;
  options: EngineOptions;
  /** The address that is played. */
  source: string;
  isAudioOnly: boolean;
}

export function figuresOf({ video, hls, state, options, source, isAudioOnly }: Read): Figures {
  const quality = video.getVideoPlaybackQuality?.();
  const level = hls && hls.currentLevel >= 0 ? hls.levels[hls.currentLevel] : undefined;
  const sound = hls?.audioTracks[hls.audioTrack];
  return {
    width: video.videoWidth,
    height: video.videoHeight,
    shownWidth: video.clientWidth,
    shownHeight: video.clientHeight,
    fps: level?.frameRate || null,
    framesDropped: quality?.droppedVideoFrames ?? null,
    framesTotal: quality?.totalVideoFrames ?? null,
    bufferS: bufferedTo(video, video.currentTime) - video.currentTime,
    latencyS: state.latencyS,
    targetLatencyS: options.isLive && !state.isRewound ? (hls?.targetLatency ?? null) : null,
    bandwidthBps: hls?.bandwidthEstimate ?? null,
    levelBps: level?.bitrate ?? null,
    codecs: [level?.videoCodec, level?.audioCodec ?? sound?.audioCodec].filter(Boolean).join(", "),
    level: state.active?.id ?? (isAudioOnly ? AUDIO_ONLY : "–"),
    mode: modeOf(hls, state, options),
    playlist: withoutViewer(hls?.latestLevelDetails?.url ?? source),
    rate: video.playbackRate,
    volume: video.muted ? 0 : video.volume,
    engine: hls ? `hls.js ${Hls.version}` : "native",
  };
}

function modeOf(hls: Hls | null, state: EngineState, options: EngineOptions): Figures["mode"] {
  if (!options.isLive) return "recording";
  if (!hls) return "native";
  if (state.isRewound) return "rewound";
  return options.latencyMode === "low" ? "live" : "live-steady";
}
