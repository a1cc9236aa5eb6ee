import { useEffect, useMemo } from "react";
import { api, unwrap } from "@/api/client";
import { keepPermit } from "./permits";

/** What a fresh token is asked for. */
export type Permitted = { kind: "stream" | "vod"; id: string };

/** Tokens live for four minutes. A request that fails has a second and a third chance. */
const RENEW_EVERY_MS = 75_000;

async function renew({ kind, id }: Permitted): Promise<void> {
  const params = { path: { id } };
  const answer =
    kind === "stream"
      ? await unwrap(api.POST("/api/v1/streams/{id}/playback-token", { params }))
      : await unwrap(api.POST("/api/v1/vods/{id}/playback-token", { params }));
  keepPermit(answer.playback.hls);
}

/** The address to play, without its token, which is kept fresh for as long as the player is there. */
export function usePermit(src: string | null, permitted: Permitted | undefined): string | null {
  const address = useMemo(() => (src === null ? null : keepPermit(src)), [src]);
  const needsPermit = src !== null && src !== address;
  const kind = permitted?.kind;
  const id = permitted?.id;
  useEffect(() => {
    if (!needsPermit || !kind || !id) return;
    // A player that may not go on says so by itself.
    const timer = setInterval(() => void renew({ kind, id }).catch(() => undefined), RENEW_EVERY_MS);
    return () => clearInterval(timer);
  }, [needsPermit, kind, id]);
  return address;
}
