import { Dialog } from "@base-ui/react/dialog";
import { useQuery } from "@tanstack/react-query";
import { Download, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { RoomAttachment } from "@/api/types";
import { ErrorState } from "@/ui/bits";
import { Button } from "@/ui/button";
import { bytesOf, useSave } from "./Attached";
import { usePreview } from "./useAttaching";

/** A picture as large as the window lets it be. Until it is here, the small one stands in its place. */
export function Viewer({
  attachment,
  small,
  onClose,
}: {
  attachment: RoomAttachment;
  small: string | null;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const whole = useQuery(bytesOf(attachment.url));
  const large = usePreview(whole.data ?? null);
  const save = useSave(attachment);
  const src = large ?? small;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-[60] bg-black/80" />
        <Dialog.Popup
          className="fixed inset-2 z-[61] flex flex-col gap-2 overflow-hidden rounded-lg border border-line bg-surface p-2 sm:inset-6 sm:p-3"
          data-testid="viewer"
        >
          <div className="flex shrink-0 items-center gap-2 pl-2">
            <Dialog.Title className="min-w-0 flex-1 truncate font-semibold">{attachment.name}</Dialog.Title>
            <Button
              size="icon"
              look="ghost"
              isBusy={save.isBusy}
              aria-label={t("rooms.attach.save", { name: attachment.name })}
              onClick={() => void save.now()}
            >
              {!save.isBusy && <Download />}
            </Button>
            <Dialog.Close
              aria-label={t("actions.close")}
              className="grid size-10 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-text"
            >
              <X className="size-5" />
            </Dialog.Close>
          </div>
          {whole.isError ? (
            <ErrorState error={whole.error} onRetry={() => void whole.refetch()} />
          ) : (
            <div className="grid min-h-0 flex-1 place-items-center" aria-busy={!large}>
              {src && (
                <img
                  src={src}
                  alt={attachment.name}
                  width={attachment.width ?? undefined}
                  height={attachment.height ?? undefined}
                  className="h-auto max-h-full w-auto min-w-0 max-w-full object-contain"
                />
              )}
            </div>
          )}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
