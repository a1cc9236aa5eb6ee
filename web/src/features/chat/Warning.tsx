// A moderator's warning. It stands above the composer until it has been read.
import { useTranslation } from "react-i18next";
import { Button } from "@/ui/button";

export function Warning({ reason, onRead }: { reason: string; onRead: () => void }) {
  const { t } = useTranslation();
  return (
    <div role="alert" data-testid="chat-warning" className="shrink-0 border-line border-t p-3">
      <p className="mb-2 text-sm">{reason ? t("chat.warned_for", { reason }) : t("chat.warned")}</p>
      <Button look="soft" size="s" onClick={onRead} data-testid="chat-warning-read">
        {t("chat.warning_read")}
      </Button>
    </div>
  );
}
