// What stands in the page while its chat is in a window of its own.
import { AppWindow, MessageSquareReply } from "lucide-react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { Button } from "@/ui/button";
import { bringBack, popOut } from "./popout";

export function Away({ username, className }: { username: string; className?: string }) {
  const { t } = useTranslation();
  return (
    <section
      aria-label={t("chat.title")}
      data-testid="chat-away"
      className={cx("flex flex-col items-center justify-center gap-3 bg-surface p-6 text-center", className)}
    >
      <AppWindow className="size-7 text-melt" aria-hidden="true" />
      <p role="status" className="text-soft">
        {t("chat.away")}
      </p>
      <div className="flex flex-wrap justify-center gap-2">
        <Button onClick={() => popOut(username)} data-testid="chat-away-show">
          {t("chat.away_show")}
        </Button>
        <Button look="solid" onClick={() => bringBack(username)} data-testid="chat-away-back">
          <MessageSquareReply />
          {t("chat.away_back")}
        </Button>
      </div>
    </section>
  );
}
