// What a player is asked to play, and what it tells of itself.
import type { LatencyMode } from "./hlsConfig";
import { AUTO, type Quality, type QualityChoice } from "./quality";

export type EngineState = {
  phase: "loading" | "playing" | "retrying" | "network" | "missing" | "unsupported" | "broken";
  qualities: Quality[];
  /** What was asked for. */
  chosen: QualityChoice;
  /** What is playing now. */
  active: Quality | null;
  latencyS: number | null;
  isBehind: boolean;
  /** Playing from the long playlist, away from the edge. */
  isRewound: boolean;
  /** When the next attempt begins, while `retrying`: a `Date.now()`. */
  retryAt: number | null;
  isEnded: boolean;
  /** At its end it begins anew. */
  isLooped: boolean;
  needsTap: boolean;
  /** The browser allowed the picture only, so the sound was turned off for the viewer. */
  isSilenced: boolean;
};

export type EngineOptions = {
  src: string;
  isLive: boolean;
  latencyMode: LatencyMode;
  quality?: QualityChoice;
  /** When the broadcast began, where `?dvr=1` has all of it: a `Date.now()`. */
  beganMs?: number | null;
  /** Where a recording begins, in seconds. */
  startAt?: number;
  /** Only so many seconds are played, from where the playlist says that it begins (`EXT-X-START`). The timeline is theirs. */
  excerptS?: number | null;
};

export const idle: EngineState = {
  phase: "loading",
  qualities: [],
  chosen: AUTO,
  active: null,
  latencyS: null,
  isBehind: false,
  isRewound: false,
  retryAt: null,
  isEnded: false,
  isLooped: false,
  needsTap: false,
  isSilenced: false,
};
