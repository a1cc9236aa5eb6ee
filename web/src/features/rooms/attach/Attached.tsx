import { useQuery } from "@tanstack/react-query";
import { Download, FileText, LoaderCircle, RotateCw, ShieldAlert, ShieldX } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { blobOf } from "@/api/client";
import type { RoomAttachment } from "@/api/types";
import { bytes } from "@/features/vod/keeping";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";
import { boxOf } from "./attach";
import { usePreview } from "./useAttaching";
import { Viewer } from "./Viewer";

const SIDE_PX = 320;
const KEPT_MS = 5 * 60_000;

/** Bytes that only who is signed in gets: an address alone shows nothing, so they are fetched and drawn from memory. */
export const bytesOf = (url: string | null | undefined) => ({
  queryKey: ["attached", url],
  queryFn: () => blobOf(url ?? ""),
  enabled: Boolean(url),
  staleTime: Number.POSITIVE_INFINITY,
  gcTime: KEPT_MS,
  retry: 1,
});

/** What went out with a message, in whatever state it is. */
export function Attached({ attachment }: { attachment: RoomAttachment }) {
  if (attachment.state !== "ready") return <Waiting attachment={attachment} />;
  return attachment.type === "image" ? (
    <Picture attachment={attachment} />
  ) : (
    <FileRow attachment={attachment} />
  );
}

function Waiting({ attachment }: { attachment: RoomAttachment }) {
  const { t } = useTranslation();
  const Icon = { checking: LoaderCircle, infected: ShieldAlert, failed: ShieldX, ready: FileText }[
    attachment.state
  ];
  const isBad = attachment.state !== "checking";
  return (
    <div
      className="my-1 flex max-w-full items-center gap-3 rounded-md border border-line bg-field p-3"
      data-testid="attached"
      data-state={attachment.state}
    >
      <Icon
        aria-hidden="true"
        className={
          isBad
            ? "size-5 shrink-0 text-danger"
            : "size-5 shrink-0 animate-spin text-soft motion-reduce:animate-none"
        }
      />
      <span className="min-w-0">
        <span className="block truncate font-semibold text-sm">{attachment.name}</span>
        <span role="status" className={isBad ? "block text-danger text-sm" : "block text-soft text-sm"}>
          {t(`rooms.attach.${attachment.state as "checking"}`)}
        </span>
      </span>
    </div>
  );
}

function Picture({ attachment }: { attachment: RoomAttachment }) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const small = useQuery(bytesOf(attachment.thumbnail_url));
  const src = usePreview(small.data ?? null);
  const box = boxOf(attachment, SIDE_PX);
  const style = { width: box.width, aspectRatio: `${box.width} / ${box.height}` };
  const place = "my-1 grid max-w-full place-items-center overflow-hidden rounded-md bg-field";
  if (small.isError)
    return (
      <div className={`${place} min-w-44 p-3`} style={style} data-testid="attached" data-state="unloaded">
        <Button size="s" look="ghost" onClick={() => void small.refetch()}>
          <RotateCw />
          {t("rooms.attach.again", { name: attachment.name })}
        </Button>
      </div>
    );
  return (
    <>
      <button
        type="button"
        className={place}
        style={style}
        onClick={() => setOpen(true)}
        aria-label={t("rooms.attach.open", { name: attachment.name })}
        aria-busy={!src}
        data-testid="attached"
        data-state={src ? "shown" : "loading"}
      >
        {src && <img src={src} alt={attachment.name} className="size-full object-cover" />}
      </button>
      {isOpen && <Viewer attachment={attachment} small={src} onClose={() => setOpen(false)} />}
    </>
  );
}

function FileRow({ attachment }: { attachment: RoomAttachment }) {
  const { t } = useTranslation();
  const lang = useLang();
  const save = useSave(attachment);
  return (
    <div
      className="my-1 flex max-w-full items-center gap-3 rounded-md border border-line bg-field p-2 pl-3"
      data-testid="attached"
      data-state="ready"
    >
      <FileText aria-hidden="true" className="size-5 shrink-0 text-soft" />
      <span className="min-w-0 flex-1">
        <span className="block truncate font-semibold text-sm">{attachment.name}</span>
        <span className="tabular block text-soft text-sm">{bytes(attachment.bytes, lang)}</span>
      </span>
      <Button
        size="icon"
        look="ghost"
        isBusy={save.isBusy}
        aria-label={t("rooms.attach.save", { name: attachment.name })}
        onClick={() => void save.now()}
        data-testid="attached-save"
      >
        {!save.isBusy && <Download />}
      </Button>
    </div>
  );
}

/** Fetches with the session's token and hands it to the browser to be saved. */
export function useSave({ url, name }: RoomAttachment) {
  const { t } = useTranslation();
  const [isBusy, setBusy] = useState(false);
  const now = async () => {
    if (!url) return;
    setBusy(true);
    try {
      const place = URL.createObjectURL(await blobOf(url));
      const link = document.createElement("a");
      link.href = place;
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(place), 60_000);
    } catch (error) {
      toast({ kind: "error", title: errorText(t, error) });
    }
    setBusy(false);
  };
  return { isBusy, now };
}
