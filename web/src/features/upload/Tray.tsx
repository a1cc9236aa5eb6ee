import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronDown, ChevronUp, CircleAlert, CircleCheck, Pause, Play, RotateCw, X } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { file as fileQuery, isOpen } from "@/features/files/api";
import { KindIcon, kindOf } from "@/features/files/KindIcon";
import { isBad, stateText } from "@/features/files/words";
import { bytes } from "@/features/vod/keeping";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { clock } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { IconButton } from "@/ui/button";
import { Progress } from "@/ui/progress";
import { type Item, isUnderWay, share } from "./queue";
import { secondsLeft, speed } from "./speed";
import { cancel, pause, resume, tidy, useUploads } from "./store";

/** What is on its way and what became of it, in the corner of every page. */
export function Tray() {
  const { t } = useTranslation();
  const items = useUploads((state) => state.items);
  const [isFolded, setFolded] = useState(false);
  const busy = items.filter((item) => isUnderWay(item.phase)).length;
  const failed = items.filter((item) => item.phase === "failed").length;
  const percent = Math.floor(share(items) * 100);
  const title =
    busy > 0
      ? t("upload.going", { count: busy, percent })
      : failed > 0
        ? t("upload.some_failed", { count: failed })
        : items.some((item) => item.phase === "paused")
          ? t("upload.all_paused")
          : t("upload.all_done");
  const Fold = isFolded ? ChevronUp : ChevronDown;
  return (
    <section
      aria-label={t("upload.title")}
      data-testid="uploads"
      data-busy={busy}
      className="fixed right-3 bottom-[calc(var(--bottom-h)+env(safe-area-inset-bottom)+12px)] z-[45] flex max-h-[min(440px,60dvh)] max-md:max-h-[42dvh] w-[min(400px,calc(100vw-24px))] flex-col overflow-hidden rounded-lg border border-line bg-overlay shadow-m md:right-5 md:bottom-5"
    >
      <div className="flex shrink-0 items-center gap-1 py-2 pr-2 pl-4">
        <h2 className="tabular min-w-0 flex-1 truncate font-bold text-[15px]">{title}</h2>
        <IconButton
          look="ghost"
          label={t(isFolded ? "upload.unfold" : "upload.fold")}
          aria-expanded={!isFolded}
          onClick={() => setFolded(!isFolded)}
          data-testid="uploads-fold"
        >
          <Fold />
        </IconButton>
        {busy === 0 && (
          <IconButton
            look="ghost"
            label={t("upload.close")}
            onClick={() => {
              for (const item of items) if (item.phase === "failed") cancel(item.id);
              tidy();
            }}
            disabled={items.some((item) => item.phase === "paused")}
            data-testid="uploads-close"
          >
            <X />
          </IconButton>
        )}
      </div>
      {/* Shares are drawn; that all has ended is said. */}
      <span role="status" className="sr-only">
        {busy === 0 ? title : ""}
      </span>
      {isFolded ? (
        busy > 0 && <Progress className="h-1 rounded-none" max={100} value={percent} aria-hidden="true" />
      ) : (
        <ul className="divide-y divide-line overflow-y-auto border-line border-t">
          {items.map((item) => (
            <Row key={item.id} item={item} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Row({ item }: { item: Item }) {
  const { t } = useTranslation();
  const { file, phase } = item;
  const isHere = phase === "done";
  const percent = file.size === 0 ? 100 : Math.floor((item.sent * 100) / file.size);
  const canPause = phase === "sending" || phase === "waiting" || phase === "offline";
  return (
    <li
      className="flex items-center gap-3 px-4 py-2.5"
      data-testid="upload"
      data-name={file.name}
      data-phase={phase}
      data-percent={percent}
    >
      <KindIcon kind={kindOf(file.type, file.name)} className="size-5 shrink-0 text-soft" />
      <div className="min-w-0 flex-1">
        <p className="truncate font-semibold text-sm" title={file.name}>
          {file.name}
        </p>
        {isHere ? <Fate id={item.place?.fileId ?? ""} /> : <Going item={item} />}
        {!isHere && phase !== "failed" && (
          <Progress
            className="mt-1"
            max={100}
            value={percent}
            aria-label={t("upload.progress", { name: file.name })}
          />
        )}
      </div>
      {canPause && (
        <IconButton
          look="ghost"
          label={t("upload.pause_named", { name: file.name })}
          hint={t("upload.pause")}
          onClick={() => pause(item.id)}
          data-testid="upload-pause"
        >
          <Pause />
        </IconButton>
      )}
      {phase === "paused" && (
        <IconButton
          look="ghost"
          label={t("upload.resume_named", { name: file.name })}
          hint={t("upload.resume")}
          onClick={() => resume(item.id)}
          data-testid="upload-resume"
        >
          <Play />
        </IconButton>
      )}
      {phase === "failed" && (
        <IconButton
          look="ghost"
          label={t("upload.retry_named", { name: file.name })}
          hint={t("actions.retry")}
          onClick={() => resume(item.id)}
          data-testid="upload-retry"
        >
          <RotateCw />
        </IconButton>
      )}
      {!isHere && phase !== "completing" && (
        <IconButton
          look="ghost"
          label={t("upload.cancel_named", { name: file.name })}
          hint={t("upload.cancel")}
          onClick={() => cancel(item.id)}
          data-testid="upload-cancel"
        >
          <X />
        </IconButton>
      )}
    </li>
  );
}

/** How far, how fast, how long yet; or why not. */
function Going({ item }: { item: Item }) {
  const { t } = useTranslation();
  const lang = useLang();
  const now = useNow(item.phase === "sending" ? 1_000 : null);
  const size = bytes(item.file.size, lang);
  if (item.phase === "failed") {
    return (
      <p role="status" className="flex items-start gap-1.5 text-danger text-sm">
        <CircleAlert aria-hidden="true" className="mt-0.5 size-4 shrink-0" />
        {errorText(t, item.error)}
      </p>
    );
  }
  const rate = item.phase === "sending" ? speed(item.samples, now) : null;
  const left = secondsLeft(item.file.size - item.sent, rate);
  const percent = item.file.size === 0 ? 100 : Math.floor((item.sent * 100) / item.file.size);
  return (
    <p className="tabular truncate text-soft text-sm">
      {item.phase === "sending"
        ? t(item.isResumed ? "upload.phase.resumed" : "upload.phase.sending", { percent, size })
        : t(`upload.phase.${item.phase}`, { size, percent })}
      {rate !== null && (
        <>
          <span aria-hidden="true"> · </span>
          {t("upload.speed", { speed: bytes(rate, lang) })}
        </>
      )}
      {left !== null && (
        <>
          <span aria-hidden="true"> · </span>
          {t("upload.left", { time: clock(left) })}
        </>
      )}
    </p>
  );
}

/** What the server makes of what it has. */
function Fate({ id }: { id: string }) {
  const { t } = useTranslation();
  const found = useQuery(fileQuery(id));
  const [wasOpen, setWasOpen] = useState(true);
  const state = found.data?.state;
  useEffect(() => {
    if (state && !isOpen(state)) setWasOpen(false);
  }, [state]);
  if (!found.data) return <p className="text-soft text-sm">{t("upload.phase.here")}</p>;
  const said = stateText(t, found.data);
  const bad = isBad(found.data);
  return (
    <p
      role={wasOpen ? undefined : "status"}
      className={
        bad ? "flex items-start gap-1.5 text-danger text-sm" : "flex items-start gap-1.5 text-soft text-sm"
      }
      data-testid="upload-fate"
      data-state={found.data.state}
    >
      {bad && <CircleAlert aria-hidden="true" className="mt-0.5 size-4 shrink-0" />}
      {found.data.state === "completed" && (
        <CircleCheck aria-hidden="true" className="mt-0.5 size-4 shrink-0 text-good" />
      )}
      <span className="min-w-0">
        {said ?? t("upload.phase.ready")}{" "}
        {found.data.vod_id ? (
          <Link
            to="/v/$id"
            params={{ id: found.data.vod_id }}
            className="font-semibold text-melt hover:underline"
          >
            {t("files.watch")}
          </Link>
        ) : (
          <Link
            to="/files"
            search={found.data.path === "/" ? {} : { path: found.data.path }}
            className="font-semibold text-melt hover:underline"
          >
            {t("upload.show")}
          </Link>
        )}
      </span>
    </p>
  );
}
