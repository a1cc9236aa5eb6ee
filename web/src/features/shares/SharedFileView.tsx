import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { KindIcon } from "@/features/files/KindIcon";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { ErrorState, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import type { SharedFile } from "./api";
import { useSteady } from "./useSteady";

/** So much of a text is shown. */
const TEXT_BYTES_MAX = 256 << 10;
/** An address that is older is renewed before it is followed. */
const FRESH_MS = 200_000;

type Renew = () => Promise<unknown>;

/** A shared file, shown in place where that can be done, and saved where that is allowed. */
export function SharedFileView({
  file,
  renew,
  isAlone = false,
}: {
  file: SharedFile;
  renew: Renew;
  /** The page is about this file. */
  isAlone?: boolean;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="tabular text-faint text-sm">
          {bytes(file.bytes, lang)}
          {file.width && file.height ? (
            <> · {t("files.pixels", { width: file.width, height: file.height })}</>
          ) : null}
        </p>
        <SaveLink file={file} renew={renew} />
      </div>
      <div
        className={
          isAlone
            ? "grid min-h-40 place-items-center overflow-hidden rounded-lg border border-line bg-surface p-2 sm:p-4"
            : "grid min-h-0 flex-1 place-items-center overflow-hidden"
        }
        data-testid="shared-file"
        data-kind={file.kind}
      >
        <Shown key={file.id} file={file} renew={renew} isAlone={isAlone} />
      </div>
    </div>
  );
}

export function SaveLink({ file, renew }: { file: SharedFile; renew: Renew }) {
  const { t } = useTranslation();
  const made = useRef({ url: file.download_url, at: Date.now() });
  if (made.current.url !== file.download_url) made.current = { url: file.download_url, at: Date.now() };
  const anchor = useRef<HTMLAnchorElement>(null);
  if (!file.download_url) return null;
  return (
    <a
      ref={anchor}
      href={file.download_url}
      download={file.name}
      className={buttonClass("solid")}
      data-testid="shared-save"
      onClick={(event) => {
        // A page that slept has an address that is over: a fresh one first.
        if (Date.now() - made.current.at < FRESH_MS) return;
        event.preventDefault();
        void renew().then(() => setTimeout(() => anchor.current?.click()));
      }}
    >
      <Download />
      {t("files.act.download")}
    </a>
  );
}

function Shown({ file, renew, isAlone }: { file: SharedFile; renew: Renew; isAlone: boolean }) {
  const { t } = useTranslation();
  const [src, advance] = useSteady(file.url);
  const [isBroken, setBroken] = useState(false);
  const broke = () => {
    if (!advance()) setBroken(true);
  };
  if (!src)
    return <Instead file={file} text={t(file.download_url ? "share.only_saved" : "share.not_shown")} />;
  if (isBroken) {
    return (
      <ErrorState
        error={new ApiError({ status: 0, code: "network" })}
        onRetry={() => void renew().then(() => setBroken(false))}
      />
    );
  }
  const tall = isAlone ? "max-h-[72dvh]" : "max-h-full";
  if (file.kind === "image") {
    return (
      <img
        src={src}
        alt={file.name}
        width={file.width ?? undefined}
        height={file.height ?? undefined}
        className={`h-auto w-auto min-w-0 max-w-full object-contain ${tall}`}
        onError={broke}
        data-testid="shared-picture"
      />
    );
  }
  if (file.kind === "video" || file.kind === "audio") {
    return <Sounding file={file} src={src} onBroken={broke} className={tall} />;
  }
  if (file.kind === "text") return <Words file={file} src={src} renew={renew} isAlone={isAlone} />;
  if (file.kind === "pdf" && navigator.pdfViewerEnabled) {
    return (
      <iframe
        src={src}
        title={file.name}
        className={`w-full rounded-sm bg-white ${isAlone ? "h-[76dvh]" : "h-full"}`}
        data-testid="shared-pdf"
      />
    );
  }
  return <Instead file={file} text={t(file.download_url ? "share.only_saved" : "share.not_shown")} />;
}

/** What stands where nothing can be shown. */
function Instead({ file, text, children }: { file: SharedFile; text: string; children?: ReactNode }) {
  return (
    <div className="grid place-content-center justify-items-center gap-4 p-8 text-center">
      <KindIcon kind={file.kind} className="size-14 text-faint" />
      <p className="max-w-prose text-soft">{text}</p>
      {children}
    </div>
  );
}

/** Plays. When its address has ended it goes on with a fresh one from where it was. */
function Sounding({
  file,
  src,
  onBroken,
  className,
}: {
  file: SharedFile;
  src: string;
  onBroken: () => void;
  className: string;
}) {
  const place = useRef({ at: 0, isPlaying: false });
  const goOn = (element: HTMLMediaElement) => {
    if (place.current.at > 0) element.currentTime = place.current.at;
    if (place.current.isPlaying) void element.play().catch(() => undefined);
  };
  const wired = {
    controls: true,
    src,
    preload: "metadata" as const,
    "aria-label": file.name,
    onError: onBroken,
    onTimeUpdate: (event: React.SyntheticEvent<HTMLMediaElement>) => {
      place.current = { at: event.currentTarget.currentTime, isPlaying: !event.currentTarget.paused };
    },
    onLoadedMetadata: (event: React.SyntheticEvent<HTMLMediaElement>) => goOn(event.currentTarget),
    "data-testid": "shared-media",
  };
  if (file.kind === "video") {
    return <video {...wired} playsInline className={`max-w-full ${className}`} />;
  }
  return (
    <div className="grid justify-items-center gap-6 p-6">
      <KindIcon kind="audio" className="size-14 text-faint" />
      <audio {...wired} className="w-[min(480px,80vw)]" />
    </div>
  );
}

function Words({
  file,
  src,
  renew,
  isAlone,
}: {
  file: SharedFile;
  src: string;
  renew: Renew;
  isAlone: boolean;
}) {
  const { t } = useTranslation();
  const text = useQuery({
    queryKey: ["shared-words", file.id, file.changed_at],
    queryFn: async ({ signal }) => {
      const answer = await fetch(src, {
        headers: { range: `bytes=0-${TEXT_BYTES_MAX - 1}` },
        signal,
      });
      // An empty file has no such range.
      if (answer.status === 416) return "";
      if (!answer.ok) throw ApiError.fromResponse(answer, await answer.json().catch(() => null));
      return answer.text();
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (text.isError) {
    return <ErrorState error={text.error} onRetry={() => void renew().then(() => text.refetch())} />;
  }
  if (text.isPending) return <Skeleton className="h-60 w-full" />;
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys.
      tabIndex={0}
      aria-label={file.name}
      className={`w-full overflow-auto rounded-md bg-field p-4 ${isAlone ? "max-h-[72dvh]" : "h-full"}`}
      data-testid="shared-words"
    >
      <pre className="whitespace-pre-wrap font-mono text-[13px] leading-relaxed [overflow-wrap:anywhere]">
        {text.data}
      </pre>
      {file.bytes > TEXT_BYTES_MAX && <p className="mt-4 text-faint text-sm">{t("files.preview.cut")}</p>}
    </section>
  );
}
