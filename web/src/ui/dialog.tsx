import { Dialog as Base } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import { type ReactNode, type RefObject, useLayoutEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "./button";

type Shown = { title: string; description: ReactNode; children: ReactNode };

export function Dialog({
  isOpen,
  onClose,
  title,
  description,
  children,
  container,
}: {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  description?: ReactNode;
  children: ReactNode;
  /** Where it is drawn, if not over the whole page. */
  container?: RefObject<HTMLElement | null>;
}) {
  const { t } = useTranslation();
  // Whoever closes a dialog often forgets at once what it was about; while it fades it still shows what it showed.
  const asked: Shown = { title, description, children };
  const last = useRef<Shown | null>(null);
  useLayoutEffect(() => {
    if (isOpen) last.current = { title, description, children };
  });
  const shown = isOpen ? asked : (last.current ?? asked);
  const onFaded = (open: boolean) => {
    if (!open) last.current = null;
  };
  return (
    <Base.Root open={isOpen} onOpenChange={(open) => !open && onClose()} onOpenChangeComplete={onFaded}>
      <Base.Portal container={container}>
        <Base.Backdrop className="fixed inset-0 z-[60] bg-black/60 backdrop-blur-[2px] transition-opacity data-[ending-style]:opacity-0 data-[starting-style]:opacity-0" />
        <Base.Popup className="popup fixed top-1/2 left-1/2 z-[61] flex max-h-[calc(100dvh-32px)] w-[min(520px,calc(100vw-32px))] -translate-x-1/2 -translate-y-1/2 flex-col gap-4 overflow-y-auto rounded-lg p-6 data-[ending-style]:pointer-events-none">
          <div className="flex items-start justify-between gap-4">
            <Base.Title className="font-bold font-display text-xl leading-tight">{shown.title}</Base.Title>
            <Base.Close
              aria-label={t("actions.close")}
              className="-mt-1 -mr-1 grid size-8 place-items-center rounded-sm text-soft hover:bg-raised hover:text-text"
            >
              <X className="size-4" />
            </Base.Close>
          </div>
          {shown.description && (
            <Base.Description className="-mt-2 text-soft">{shown.description}</Base.Description>
          )}
          {shown.children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

export function ConfirmDialog({
  isOpen,
  onClose,
  onConfirm,
  title,
  description,
  confirmLabel,
  isBusy = false,
  testId,
}: {
  isOpen: boolean;
  onClose: () => void;
  onConfirm: () => void;
  title: string;
  description: ReactNode;
  confirmLabel: string;
  isBusy?: boolean;
  testId?: string;
}) {
  const { t } = useTranslation();
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={title} description={description}>
      <div className="flex justify-end gap-2">
        <Button look="ghost" onClick={onClose}>
          {t("actions.cancel")}
        </Button>
        <Button look="danger" onClick={onConfirm} isBusy={isBusy} data-testid={testId}>
          {confirmLabel}
        </Button>
      </div>
    </Dialog>
  );
}
