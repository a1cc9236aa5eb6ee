import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { withViewer } from "./address";
import { Engine, type EngineState, type LatencyMode } from "./engine";

const idle: EngineState = {
  phase: "loading",
  qualities: [],
  chosen: -1,
  active: -1,
  latencyS: null,
  isBehind: false,
  isEnded: false,
  needsTap: false,
};
const never = () => () => undefined;

/** One engine per video and address; a changed delay keeps the engine and reloads inside it. */
export function useEngine(
  video: HTMLVideoElement | null,
  src: string | null,
  isLive: boolean,
  latencyMode: LatencyMode,
): { engine: Engine | null; state: EngineState } {
  const [engine, setEngine] = useState<Engine | null>(null);

  // The engine is not remade for a new delay mode: it is told, below.
  const mode = useRef(latencyMode);
  useEffect(() => {
    if (!video || !src) return;
    const made = new Engine(video, { src: withViewer(src), isLive, latencyMode: mode.current });
    setEngine(made);
    return () => {
      setEngine(null);
      made.destroy();
    };
  }, [video, src, isLive]);

  useEffect(() => {
    mode.current = latencyMode;
    engine?.setLatencyMode(latencyMode);
  }, [engine, latencyMode]);

  const state = useSyncExternalStore(engine?.subscribe ?? never, engine?.snapshot ?? (() => idle));
  return { engine, state };
}
