// What stands beside the lines: the pinned one, a thread, and what a command had to say.
import { useQuery } from "@tanstack/react-query";
import { Pin, X } from "lucide-react";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { ChatMessage } from "@/api/types";
import { useActs } from "@/features/moderation/useActs";
import { errorText } from "@/i18n/errorText";
import { serverTime } from "@/lib/serverClock";
import { useNow } from "@/lib/useNow";
import { ask } from "@/realtime/socket";
import { Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { AsidesOf, useAsides } from "./Asides";
import { Line } from "./Line";
import type { CommandDone } from "./useChat";

export function Pinned({ message, onUnpin }: { message: ChatMessage; onUnpin?: () => void }) {
  const { t } = useTranslation();
  return (
    <div
      data-testid="chat-pinned"
      className="flex shrink-0 items-start gap-2.5 border-line border-b bg-raised px-4 py-2.5 text-sm"
    >
      <Pin className="mt-0.5 size-4 shrink-0 text-melt" role="img" aria-label={t("chat.pinned")} />
      <p className="line-clamp-3 min-w-0 flex-1 [overflow-wrap:anywhere]">
        <strong>{message.user.display_name}</strong> {message.text}
      </p>
      {onUnpin && (
        <Button look="ghost" size="icon-s" onClick={onUnpin} aria-label={t("chat.unpin")} className="-my-1">
          <X />
        </Button>
      )}
    </div>
  );
}

export function Told({
  command,
  channel,
  onDismiss,
}: {
  command: CommandDone;
  channel: string;
  onDismiss: () => void;
}) {
  const { t } = useTranslation();
  const { undo } = useActs(channel);
  const done = command.undo;
  const now = serverTime(useNow(done ? 1_000 : null));
  return (
    <div
      role="status"
      data-testid="chat-command"
      className="flex shrink-0 items-start gap-2 border-line border-t bg-raised px-4 py-2 text-sm"
    >
      <p className="min-w-0 flex-1 whitespace-pre-line text-soft">
        {command.name === "help" ? command.detail : t("chat.command_done", { name: command.name })}
      </p>
      {done && Date.parse(done.until) > now && (
        <Button
          size="s"
          onClick={() => {
            void undo(done.actId);
            onDismiss();
          }}
          data-testid="command-undo"
        >
          {t("mod.undo")}
        </Button>
      )}
      <Button look="ghost" size="icon-s" onClick={onDismiss} aria-label={t("actions.close")}>
        <X />
      </Button>
    </div>
  );
}

/** Everything said in the thread a line belongs to. */
export function Thread({
  id,
  channel,
  mayReport,
  isElsewhere,
  onClose,
}: {
  id: string | null;
  channel: string;
  mayReport: boolean;
  /** It stands in a window that is for the chat only. */
  isElsewhere: boolean;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const asides = useAsides();
  const { onAuthor } = asides;
  const actions = useMemo(() => ({ onAuthor }), [onAuthor]);
  const query = useQuery({
    queryKey: ["chat", "thread", id],
    queryFn: () => ask("chat:thread", { id: id ?? "" }),
    enabled: id !== null,
    gcTime: 0,
    staleTime: 0,
  });
  return (
    <Dialog isOpen={id !== null} onClose={onClose} title={t("chat.thread")}>
      <div className="-mx-4 min-h-24" data-testid="chat-thread">
        {query.isError && <p className="px-4 text-danger">{errorText(t, query.error)}</p>}
        {query.isPending && id !== null && <Skeleton className="mx-4 h-16" />}
        {query.data?.items.map((message) => (
          <Line key={message.id} message={message} myName={null} actions={actions} />
        ))}
      </div>
      <AsidesOf asides={asides} channel={channel} mayReport={mayReport} isElsewhere={isElsewhere} />
    </Dialog>
  );
}
