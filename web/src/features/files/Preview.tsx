import { Dialog } from "@base-ui/react/dialog";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, Download, X } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { bytesAt } from "@/api/client";
import { bytesOf } from "@/features/rooms/attach/Attached";
import { usePreview } from "@/features/rooms/attach/useAttaching";
import { bytes } from "@/features/vod/keeping";
import { useLang } from "@/i18n/useLang";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass, IconButton } from "@/ui/button";
import { contentOf, type StoredFile, thumbnailOf } from "./api";
import { KindIcon } from "./KindIcon";
import { useSave } from "./useChanges";

/** A file that is larger is saved rather than played here: all of it has to be in memory. */
const SOUND_BYTES_MAX = 200 << 20;
/** So much of a text is shown. */
const TEXT_BYTES_MAX = 256 << 10;

/** A file as large as the window lets it be, and the ones beside it. */
export function Preview({
  file,
  before,
  after,
  onShow,
  onClose,
}: {
  file: StoredFile;
  before: StoredFile | null;
  after: StoredFile | null;
  onShow: (file: StoredFile) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const { saving, save } = useSave();
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-[60] bg-black/80" />
        <Dialog.Popup
          className="fixed inset-2 z-[61] flex flex-col gap-2 overflow-hidden rounded-lg border border-line bg-surface p-2 sm:inset-6 sm:p-3"
          data-testid="preview"
          data-name={file.name}
          onKeyDown={(event) => {
            const next = event.key === "ArrowLeft" ? before : event.key === "ArrowRight" ? after : null;
            // A player has these keys for itself.
            if (next && !(event.target instanceof HTMLMediaElement)) onShow(next);
          }}
        >
          <div className="flex shrink-0 items-center gap-1 pl-2">
            <div className="min-w-0 flex-1">
              <Dialog.Title className="truncate font-semibold">{file.name}</Dialog.Title>
              <p className="tabular truncate text-faint text-sm">
                {bytes(file.bytes, lang)}
                {file.width && file.height ? (
                  <>
                    <span aria-hidden="true"> · </span>
                    {t("files.pixels", { width: file.width, height: file.height })}
                  </>
                ) : null}
              </p>
            </div>
            <IconButton
              size="icon"
              look="ghost"
              label={t("files.preview.before")}
              disabled={!before}
              onClick={() => before && onShow(before)}
            >
              <ChevronLeft />
            </IconButton>
            <IconButton
              size="icon"
              look="ghost"
              label={t("files.preview.after")}
              disabled={!after}
              onClick={() => after && onShow(after)}
            >
              <ChevronRight />
            </IconButton>
            {file.url && (
              <IconButton
                size="icon"
                look="ghost"
                isBusy={saving !== null}
                label={t("files.act.download")}
                onClick={() => void save(file)}
                data-testid="preview-save"
              >
                {saving === null && <Download />}
              </IconButton>
            )}
            <Dialog.Close
              aria-label={t("actions.close")}
              className="grid size-10 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-text"
            >
              <X className="size-5" />
            </Dialog.Close>
          </div>
          <Shown key={file.id} file={file} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Shown({ file }: { file: StoredFile }) {
  const { t } = useTranslation();
  if (file.vod_id) {
    return (
      <Instead file={file} text={t("files.preview.became")}>
        <Link to="/v/$id" params={{ id: file.vod_id }} className={buttonClass("solid")}>
          {t("files.watch")}
        </Link>
      </Instead>
    );
  }
  if (!file.url) return <Instead file={file} text={t("files.preview.withheld")} />;
  if (file.kind === "image") return <Picture file={file} />;
  if (file.kind === "audio" && file.bytes <= SOUND_BYTES_MAX) return <Sound file={file} />;
  if (file.kind === "text") return <Words file={file} />;
  return <Instead file={file} text={t("files.preview.none")} />;
}

/** What stands where nothing can be shown. */
function Instead({ file, text, children }: { file: StoredFile; text: string; children?: ReactNode }) {
  const { t } = useTranslation();
  const { saving, save } = useSave();
  return (
    <div className="grid min-h-0 flex-1 place-content-center justify-items-center gap-4 p-6 text-center">
      <KindIcon kind={file.kind} className="size-14 text-faint" />
      <p className="max-w-prose text-soft">{text}</p>
      {children}
      {file.url && !file.vod_id && (
        <Button look="solid" onClick={() => void save(file)} isBusy={saving !== null}>
          {saving === null && <Download />}
          {t("files.act.download")}
        </Button>
      )}
    </div>
  );
}

function Picture({ file }: { file: StoredFile }) {
  const small = useQuery(bytesOf(thumbnailOf(file)));
  const whole = useQuery(bytesOf(contentOf(file)));
  const thumb = usePreview(small.data ?? null);
  const large = usePreview(whole.data ?? null);
  const src = large ?? thumb;
  if (whole.isError) return <ErrorState error={whole.error} onRetry={() => void whole.refetch()} />;
  return (
    <div className="grid min-h-0 flex-1 place-items-center" aria-busy={!large}>
      {src && (
        <img
          src={src}
          alt={file.name}
          width={file.width ?? undefined}
          height={file.height ?? undefined}
          className="h-auto max-h-full w-auto min-w-0 max-w-full object-contain"
          data-testid="preview-picture"
        />
      )}
    </div>
  );
}

function Sound({ file }: { file: StoredFile }) {
  const whole = useQuery(bytesOf(contentOf(file)));
  const [src, setSrc] = useState<string | null>(null);
  useEffect(() => {
    if (!whole.data) return;
    const made = URL.createObjectURL(whole.data);
    setSrc(made);
    return () => URL.revokeObjectURL(made);
  }, [whole.data]);
  if (whole.isError) return <ErrorState error={whole.error} onRetry={() => void whole.refetch()} />;
  return (
    <div className="grid min-h-0 flex-1 place-content-center justify-items-center gap-6 p-6" aria-busy={!src}>
      <KindIcon kind="audio" className="size-14 text-faint" />
      {src ? (
        <audio controls src={src} className="w-[min(480px,80vw)]" />
      ) : (
        <Skeleton className="h-14 w-[min(480px,80vw)]" />
      )}
    </div>
  );
}

function Words({ file }: { file: StoredFile }) {
  const { t } = useTranslation();
  const text = useQuery({
    queryKey: ["file-words", contentOf(file)],
    queryFn: async () => {
      const answer = await bytesAt(contentOf(file), { headers: { range: `bytes=0-${TEXT_BYTES_MAX - 1}` } });
      return answer.text();
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (text.isError) return <ErrorState error={text.error} onRetry={() => void text.refetch()} />;
  if (text.isPending) return <Skeleton className="m-2 flex-1" />;
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys.
      tabIndex={0}
      aria-label={file.name}
      className="min-h-0 flex-1 overflow-auto rounded-md bg-field p-4"
    >
      <pre className="whitespace-pre-wrap font-mono text-[13px] leading-relaxed [overflow-wrap:anywhere]">
        {text.data}
      </pre>
      {file.bytes > TEXT_BYTES_MAX && <p className="mt-4 text-faint text-sm">{t("files.preview.cut")}</p>}
    </section>
  );
}
