import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { ingestHealth } from "@/api/queries";
import type { IngestSample, IngestVerdict } from "@/api/types";
import { useNow } from "@/lib/useNow";
import { getSocket, useLine } from "@/realtime/socket";
import { type Lamp, lamp, merge } from "./series";

export const RANGES = { short: 10, hour: 60, all: 7 * 24 * 60 } as const;
export type Range = keyof typeof RANGES;

type Told = { samples: IngestSample[]; heardAt: number | null; verdict: IngestVerdict | null };
const NOTHING: Told = { samples: [], heardAt: null, verdict: null };
/** Seconds the socket told that are kept: the longest range that shows seconds. */
const TOLD_S = RANGES.hour * 60;

/** History of the API and, once a second, what the socket tells. */
export function useIngestHealth(streamId: string, range: Range, isReconnecting: boolean) {
  const line = useLine((state) => state.state);
  const query = useQuery(ingestHealth(streamId, RANGES[range]));
  const [told, setTold] = useState<Told>(NOTHING);
  const now = useNow(1_000);

  useEffect(() => {
    setTold(NOTHING);
    const socket = getSocket();
    const hear = (news: IngestSample & { stream_id: string }) => {
      if (news.stream_id !== streamId) return;
      const { stream_id: _, ...sample } = news;
      setTold((old) => {
        // The last words of a connection that another one has replaced.
        if (sample.epoch < (old.samples.at(-1)?.epoch ?? 0)) return old;
        return {
          samples: merge(old.samples, [sample], TOLD_S),
          heardAt: Date.now(),
          verdict: sample.verdict,
        };
      });
    };
    socket.on("ingest:health", hear);
    return () => {
      socket.off("ingest:health", hear);
    };
  }, [streamId]);

  // What was told while the line was down is in the history.
  const { refetch } = query;
  useEffect(() => {
    if (line === "up") void refetch();
  }, [line, refetch]);

  const history = query.data;
  const stepS = history?.step_s ?? 1;
  const samples = useMemo(() => {
    const stored = history?.items ?? [];
    return stepS === 1 ? merge(stored, told.samples, RANGES[range] * 60) : stored;
  }, [history, told.samples, stepS, range]);
  const isHeard = told.heardAt !== null && told.heardAt >= query.dataUpdatedAt - 1_000;
  const shown: Lamp = lamp({
    verdict: isHeard ? told.verdict : (history?.verdict ?? null),
    heardAt: isHeard ? told.heardAt : history ? query.dataUpdatedAt : null,
    isReconnecting,
    isLineUp: line === "up",
    now,
  });
  const newest = isHeard ? told.samples.at(-1) : undefined;
  const issues = shown === "noData" || shown === "unknown" ? [] : (newest?.issues ?? history?.issues ?? []);
  return {
    query,
    samples,
    stepS,
    lamp: shown,
    issues,
    newest: newest ?? samples.at(-1),
    isLineUp: line === "up",
  };
}
