import { useEffect, useMemo } from "react";
import { api, unwrap } from "@/api/client";
import { keepPermit } from "./permits";

/** What a fresh token is asked for. A clip's is its recording's. */
export type Permitted = { kind: "stream" | "vod"; id: string; clip?: string };

/** Tokens live for four minutes. A request that fails has a second and a third chance. */
const RENEW_EVERY_MS = 75_000;

async function renew({ kind, id, clip }: Permitted): Promise<void> {
  const params = { path: { id } };
  const answer =
    kind === "stream"
      ? await unwrap(api.POST("/api/v1/streams/{id}/playback-token", { params }))
      : await unwrap(api.POST("/api/v1/vods/{id}/playback-token", { params }));
  keepPermit(answer.playback.hls, clip && `/clip/${clip}`);
}

/** The address to play, without its token, which is kept fresh for as long as the player is there. */
export function usePermit(src: string | null, permitted: Permitted | undefined): string | null {
  const kind = permitted?.kind;
  const id = permitted?.id;
  const clip = permitted?.clip;
  // A clip's segments are its recording's.
  const also = clip ? `/vod/${id}` : undefined;
  const address = useMemo(() => (src === null ? null : keepPermit(src, also)), [src, also]);
  const needsPermit = src !== null && src !== address;
  useEffect(() => {
    if (!needsPermit || !kind || !id) return;
    // A player that may not go on says so by itself.
    const timer = setInterval(() => void renew({ kind, id, clip }).catch(() => undefined), RENEW_EVERY_MS);
    return () => clearInterval(timer);
  }, [needsPermit, kind, id, clip]);
  return address;
}
