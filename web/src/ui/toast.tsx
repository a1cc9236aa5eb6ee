import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";

const manager = Toast.createToastManager();

export type ToastInit = {
  kind?: "info" | "good" | "error";
  title: string;
  text?: string;
  action?: { label: string; onClick: () => void; testId?: string };
  /** How long it stays. */
  forMs?: number;
};

/** A word in passing. Whatever matters is also on the page. Returns what takes it away. */
export function toast({ kind = "info", title, text, action, forMs }: ToastInit): () => void {
  const id = manager.add({
    title,
    description: text,
    type: kind,
    priority: kind === "error" ? "high" : "low",
    timeout: forMs ?? (kind === "error" ? 9_000 : 5_000),
    actionProps: action && {
      children: action.label,
      onClick: action.onClick,
      ...{ "data-testid": action.testId },
    },
  });
  return () => manager.close(id);
}

export function Toasts({ children }: { children: ReactNode }) {
  return (
    <Toast.Provider toastManager={manager} limit={4}>
      {children}
      <Toast.Portal>
        <Toast.Viewport className="fixed bottom-[calc(var(--bottom-h)+16px)] left-4 z-[80] flex w-[min(380px,calc(100vw-32px))] flex-col gap-2.5 md:bottom-5 md:left-5">
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function ToastList() {
  const { t } = useTranslation();
  const { toasts } = Toast.useToastManager();
  return toasts.map((item) => (
    <Toast.Root
      key={item.id}
      toast={item}
      className={cx(
        "popup relative flex items-start gap-3 py-3 pr-10 pl-4 data-[limited]:opacity-0",
        item.type === "error" && "border-danger/50",
        item.type === "good" && "border-good/50",
      )}
    >
      <span
        aria-hidden="true"
        className={cx(
          "mt-2 size-2 shrink-0 rounded-full",
          item.type === "error" ? "bg-danger" : item.type === "good" ? "bg-good" : "bg-melt",
        )}
      />
      <Toast.Content className="min-w-0 flex-1">
        <Toast.Title className="font-semibold" />
        <Toast.Description className="text-sm text-soft" />
        <Toast.Action className="mt-1.5 font-semibold text-melt text-sm underline-offset-4 hover:underline" />
      </Toast.Content>
      <Toast.Close
        aria-label={t("actions.close")}
        className="absolute top-2 right-2 grid size-7 place-items-center rounded-sm text-soft hover:bg-raised hover:text-text"
      >
        <X className="size-4" />
      </Toast.Close>
    </Toast.Root>
  ));
}
