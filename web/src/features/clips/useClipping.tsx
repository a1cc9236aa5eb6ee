import { useInfiniteQuery } from "@tanstack/react-query";
import { useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { useSession } from "@/api/session";
import type { Vod } from "@/api/types";
import type { Mediator } from "@/features/player/mediator";
import { isUnplayable } from "@/features/vod/making";
import type { Moment } from "./ClipDialog";
import { vodClips } from "./queries";

const ClipDialog = lazy(() => import("./ClipDialog").then(({ ClipDialog }) => ({ default: ClipDialog })));

/** What the player's clip button does, where there is one to be, and the dialog it opens. */
export function useClipping(
  vod: Vod | null,
  isLive: boolean,
): { onClip: ((mediator: Mediator) => void) | undefined; dialog: ReactNode } {
  const navigate = useNavigate();
  const here = useLocation({ select: (location) => location.href });
  const { status, user } = useSession();
  const known = useInfiniteQuery({
    ...vodClips(vod?.id ?? ""),
    enabled: vod !== null && !isUnplayable(vod),
  });
  const [open, setOpen] = useState<{ moment: Moment; mediator: Mediator } | null>(null);
  const first = known.data?.pages[0];
  const isForMembers = first?.clips_for === "everybody" || first?.clips_for === "followers";
  const isStranger = status !== "unknown" && user === null;
  const mayClip = vod !== null && (first?.may_create || (isStranger && isForMembers));
  const onClip = (mediator: Mediator) => {
    if (isStranger) {
      void navigate({ to: "/signin", search: { next: here } });
      return;
    }
    const dateMs = mediator.engine.playingDateMs();
    if (isLive && dateMs === null) return;
    const at = mediator.snapshot().timeline?.at ?? 0;
    // One sound at a time.
    mediator.request({ do: "pause" });
    setOpen({ moment: isLive && dateMs !== null ? { dateMs } : { at }, mediator });
  };
  const close = () => {
    if (isLive) open?.mediator.request({ do: "live" });
    setOpen(null);
  };
  return {
    onClip: mayClip ? onClip : undefined,
    dialog:
      open && vod ? (
        <Suspense>
          <ClipDialog vod={vod} moment={open.moment} onClose={close} />
        </Suspense>
      ) : null,
  };
}
