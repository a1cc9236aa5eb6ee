import { FileText, Paperclip, RotateCw, X } from "lucide-react";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { bytes } from "@/features/vod/keeping";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { useLine } from "@/realtime/socket";
import { Button } from "@/ui/button";
import { PICTURE_TYPES } from "./attach";
import type { Attaching } from "./useAttaching";

/** Chooses a file for the next message. */
export function AttachButton({ attaching, isOff }: { attaching: Attaching; isOff: boolean }) {
  const { t } = useTranslation();
  const lang = useLang();
  const isUp = useLine((line) => line.state === "up");
  const input = useRef<HTMLInputElement>(null);
  const { limits } = attaching;
  if (!limits) return null;
  const size = bytes(limits.bytes_max, lang);
  const label = t(limits.images_only ? "rooms.attach.picture" : "rooms.attach.file", { size });
  return (
    <>
      <button
        type="button"
        aria-label={label}
        title={label}
        disabled={!isUp || isOff}
        onClick={() => input.current?.click()}
        className="grid size-11 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-text disabled:cursor-not-allowed disabled:opacity-55 [&_svg]:size-5"
        data-testid="attach"
      >
        <Paperclip />
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept={limits.images_only ? PICTURE_TYPES.join() : undefined}
        onChange={({ currentTarget }) => {
          attaching.take([...(currentTarget.files ?? [])]);
          // The same one can be chosen again.
          currentTarget.value = "";
        }}
        data-testid="attach-input"
      />
    </>
  );
}

/** What is on its way, above the line to write in. */
export function Going({ attaching }: { attaching: Attaching }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { going, preview, cancel, retry } = attaching;
  if (!going) return null;
  const { file, share, done, error } = going;
  const percent = Math.round(share * 100);
  const isBad = error !== null || done?.state === "infected" || done?.state === "failed";
  const said = error
    ? errorText(t, error)
    : done && done.state !== "ready"
      ? t(`rooms.attach.${done.state}`)
      : done
        ? t("rooms.attach.here", { size: bytes(file.size, lang) })
        : t("rooms.attach.going", { percent, size: bytes(file.size, lang) });
  return (
    <div
      className="mb-2 flex items-center gap-3 rounded-md border border-line bg-raised p-2"
      data-testid="going"
      data-state={isBad ? "bad" : done ? done.state : "going"}
    >
      <span className="grid size-12 shrink-0 place-items-center overflow-hidden rounded-sm bg-field text-soft">
        {preview ? (
          <img src={preview} alt="" className="size-full object-cover" />
        ) : (
          <FileText className="size-5" />
        )}
      </span>
      <span className="min-w-0 flex-1">
        <span className="block truncate font-semibold text-sm">{file.name}</span>
        {/* Shares are drawn; of them only the end is said. */}
        <span
          role={isBad || done ? "status" : undefined}
          className={isBad ? "block text-danger text-sm" : "tabular block text-soft text-sm"}
        >
          {said}
        </span>
        {!done && !isBad && (
          <progress
            className="mt-1 block h-1 w-full accent-melt"
            max={100}
            value={percent}
            aria-label={t("rooms.attach.progress", { name: file.name })}
          />
        )}
      </span>
      {error !== null && (
        <Button size="s" look="ghost" onClick={retry} data-testid="attach-retry">
          <RotateCw />
          {t("actions.retry")}
        </Button>
      )}
      <Button
        size="icon-s"
        look="ghost"
        aria-label={t("rooms.attach.cancel", { name: file.name })}
        onClick={cancel}
        data-testid="attach-cancel"
      >
        <X />
      </Button>
    </div>
  );
}
