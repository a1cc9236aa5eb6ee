import { useEffect, useMemo, useRef } from "react";
import { useSession } from "@/api/session";
import { type Places, resumeStore } from "./resume";

const KEEP_EVERY_MS = 5_000;

export type Progress = (at: number, duration: number) => void;

/** Where this recording goes on, and whom to tell how far it got. Waits until it is known who watches. */
export function useResume(id: string): { isKnown: boolean; startAt: number; onProgress: Progress } {
  const { status, user } = useSession();
  const userId = user?.id ?? null;
  const isKnown = status !== "unknown";
  const startAt = useMemo(
    () => (isKnown ? (resumeStore.all(userId)[id]?.at ?? 0) : 0),
    [isKnown, userId, id],
  );
  const last = useRef({ at: 0, duration: 0, keptMs: 0, isFresh: false });

  useEffect(() => {
    if (!isKnown) return;
    last.current = { at: 0, duration: 0, keptMs: 0, isFresh: false };
    const flush = () => {
      const { at, duration, isFresh } = last.current;
      if (isFresh) resumeStore.keep(userId, id, { at, duration, when: Date.now() });
      last.current.isFresh = false;
    };
    const hidden = () => document.visibilityState === "hidden" && flush();
    // Phones end a page without more than one of these.
    window.addEventListener("pagehide", flush);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      window.removeEventListener("pagehide", flush);
      document.removeEventListener("visibilitychange", hidden);
      flush();
    };
  }, [isKnown, userId, id]);

  const onProgress = useMemo<Progress>(
    () => (at, duration) => {
      const now = Date.now();
      const isDue = now - last.current.keptMs >= KEEP_EVERY_MS;
      last.current = { at, duration, keptMs: isDue ? now : last.current.keptMs, isFresh: !isDue };
      if (isDue) resumeStore.keep(userId, id, { at, duration, when: now });
    },
    [userId, id],
  );
  return { isKnown, startAt, onProgress };
}

/** The places of whoever is signed in, as they were when the page was drawn. */
export function usePlaces(): Places {
  const userId = useSession((session) => session.user?.id ?? null);
  return useMemo(() => resumeStore.all(userId), [userId]);
}
