import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, Pause, Play } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/errors";
import type { Clip, Vod } from "@/api/types";
import type { Mediator } from "@/features/player/mediator";
import { useMediator, useView } from "@/features/player/useMediator";
import { useOnline } from "@/features/player/useOnline";
import { usePermit } from "@/features/player/usePermit";
import { useStoryboard } from "@/features/player/useStoryboard";
import { errorText } from "@/i18n/errorText";
import { Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { clipChanged, TITLE_MAX } from "./queries";
import { ShareFields } from "./Share";
import { TrimBar } from "./TrimBar";
import { CLIP_S, placeOf, type Trim, trimAround } from "./trim";

/** When it was: a second of the recording, or the date of a live picture. */
export type Moment = { at: number } | { dateMs: number };

/** So much of the clip's end is played when its end was moved. */
const ENDING_S = 2;
/** The recording tells nothing for this long: it cannot be clipped now. */
const PATIENCE_MS = 12_000;

export function ClipDialog({ vod, moment, onClose }: { vod: Vod; moment: Moment; onClose: () => void }) {
  const { t } = useTranslation();
  const [made, setMade] = useState<Clip | null>(null);
  return (
    <Dialog isOpen onClose={onClose} title={made ? t("clips.made") : t("clips.make")}>
      {made ? <Made clip={made} onClose={onClose} /> : <Editor vod={vod} moment={moment} onMade={setMade} />}
    </Dialog>
  );
}

function Editor({ vod, moment, onMade }: { vod: Vod; moment: Moment; onMade: (clip: Clip) => void }) {
  const { t } = useTranslation();
  const [frame, setFrame] = useState<HTMLElement | null>(null);
  const [video, setVideo] = useState<HTMLVideoElement | null>(null);
  const src = usePermit(vod.playback.hls, { kind: "vod", id: vod.id });
  const startAt = "at" in moment ? Math.max(0.1, moment.at + 5 - CLIP_S.usual) : 0;
  const mediator = useMediator(video, frame, { src, isLive: false, beganMs: null, startAt, isMuted: false });
  const { trim, setTrim, state } = useTrim(mediator, moment);
  const at = useView(mediator, (view) => view.timeline?.at ?? null);
  const isPaused = useView(mediator, (view) => view.isPaused);
  const tiles = useStoryboard(vod.storyboard_url ?? null, true);
  useLooped(mediator, trim);
  const change = (next: Trim, moved: "from" | "to") => {
    setTrim(next);
    mediator?.request({
      do: "seek",
      to: moved === "from" ? next.from : Math.max(next.from, next.to - ENDING_S),
    });
  };
  return (
    <div className="flex flex-col gap-4" data-testid="clip-editor" data-state={state}>
      <section
        ref={setFrame}
        aria-label={t("clips.preview")}
        className="player relative isolate aspect-video w-full shrink-0 overflow-hidden rounded-md bg-black"
      >
        <video ref={setVideo} playsInline preload="auto" aria-label={t("clips.preview")} tabIndex={-1} />
        {state === "loading" && <span className="player-spinner" aria-hidden="true" />}
        {state === "ready" && (
          <button
            type="button"
            className="player-tool absolute bottom-2 left-2 bg-black/60"
            aria-label={isPaused ? t("player.play") : t("player.pause")}
            onClick={() => mediator?.request({ do: "toggle" })}
          >
            {isPaused ? <Play className="fill-current" /> : <Pause className="fill-current" />}
          </button>
        )}
        {(state === "short" || state === "broken") && (
          <p role="status" className="absolute inset-0 grid place-items-center bg-[#0b1517] p-6 text-center">
            {state === "short" ? t("clips.too_short") : t("clips.cannot_load")}
          </p>
        )}
      </section>
      {trim ? (
        <>
          <TrimBar trim={trim} at={at} tiles={tiles} onChange={change} />
          <Naming vod={vod} trim={trim} onMade={onMade} />
        </>
      ) : (
        state === "loading" && <Skeleton className="h-32" />
      )}
    </div>
  );
}

type TrimState = "loading" | "ready" | "short" | "broken";

/** The handles, once the recording is known well enough to say where the moment lies in it. */
function useTrim(mediator: Mediator | null, moment: Moment) {
  const [trim, setTrim] = useState<Trim | null>(null);
  const [state, setState] = useState<TrimState>("loading");
  useEffect(() => {
    if (!mediator) return;
    let isDone = false;
    const look = () => {
      if (isDone) return;
      const { engine, timeline } = mediator.snapshot();
      if (engine.phase === "missing" || engine.phase === "network" || engine.phase === "unsupported") {
        setState("broken");
        return;
      }
      const parts = mediator.engine.dated();
      if (!timeline || ("dateMs" in moment && parts.length === 0)) return;
      isDone = true;
      const place = "at" in moment ? { at: moment.at, end: timeline.end } : placeOf(parts, moment.dateMs);
      const found = place && trimAround(place.at, place.end, "dateMs" in moment);
      setTrim(found);
      setState(found ? "ready" : "short");
      if (found) mediator.request({ do: "seek", to: found.from });
      else mediator.request({ do: "pause" });
    };
    look();
    const unsubscribe = mediator.subscribe(look);
    const patience = setTimeout(() => !isDone && setState("broken"), PATIENCE_MS);
    return () => {
      unsubscribe();
      clearTimeout(patience);
    };
  }, [mediator, moment]);
  return { trim, setTrim, state };
}

/** The preview goes round between the handles. */
function useLooped(mediator: Mediator | null, trim: Trim | null): void {
  useEffect(() => {
    if (!mediator || !trim) return;
    return mediator.subscribe(() => {
      const { timeline, isPaused, isSeeking, engine } = mediator.snapshot();
      if (!timeline || isSeeking || (isPaused && !engine.isEnded)) return;
      const isOver = timeline.at >= trim.to || (engine.isEnded && timeline.end <= trim.to + 1);
      if (!isOver && timeline.at >= trim.from - 1) return;
      mediator.request({ do: "seek", to: trim.from });
      if (engine.isEnded) mediator.request({ do: "play" });
    });
  }, [mediator, trim]);
}

function Naming({ vod, trim, onMade }: { vod: Vod; trim: Trim; onMade: (clip: Clip) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const isOnline = useOnline();
  const [title, setTitle] = useState([...vod.title].slice(0, TITLE_MAX).join(""));
  const create = useMutation({
    mutationFn: () => {
      const body = {
        title: title.trim(),
        start_ms: Math.round(trim.from * 1000),
        end_ms: Math.round(trim.to * 1000),
      };
      return once(["clip", vod.id, body], (header) =>
        unwrap(api.POST("/api/v1/vods/{id}/clips", { params: { path: { id: vod.id }, header }, body })),
      );
    },
    retry: retryAttempt,
    onSuccess: (clip) => {
      clipChanged(client, clip);
      onMade(clip);
    },
  });
  const fields = create.error ? ApiError.of(create.error).fields : [];
  const wrongTitle = fields.find((one) => one.field === "title")?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label={t("clips.name")}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
        maxLength={TITLE_MAX}
        required
        error={wrongTitle}
        data-testid="clip-title"
      />
      {create.isError && wrongTitle === null && (
        <p role="alert" className="text-danger text-sm">
          {errorText(t, create.error)}
        </p>
      )}
      {!isOnline && (
        <p role="status" className="text-sm text-warn">
          {t("errors.network")}
        </p>
      )}
      <Button
        look="solid"
        type="submit"
        isBusy={create.isPending}
        disabled={!title.trim() || !isOnline}
        data-testid="clip-create"
        className="self-end"
      >
        {t("clips.create")}
      </Button>
    </form>
  );
}

function Made({ clip, onClose }: { clip: Clip; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-5" data-testid="clip-made">
      <p role="status" className="flex items-center gap-2 text-good">
        <Check aria-hidden="true" className="size-5 shrink-0" />
        <span className="min-w-0 [overflow-wrap:anywhere]">
          {t("clips.made_text", { title: clip.title })}
        </span>
      </p>
      <ShareFields clip={clip} />
      <div className="flex justify-end gap-2">
        <Button look="ghost" onClick={onClose}>
          {t("actions.close")}
        </Button>
        <Link
          to="/clip/$id"
          params={{ id: clip.id }}
          className={buttonClass("solid")}
          onClick={onClose}
          data-testid="clip-open"
        >
          {t("clips.open")}
        </Link>
      </div>
    </div>
  );
}
