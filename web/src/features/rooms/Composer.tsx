import { SendHorizontal, X } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import type { Room, RoomAttachment, RoomMessage } from "@/api/types";
import { Picker } from "@/features/chat/Picker";
import { charCount } from "@/features/chat/text";
import { errorText } from "@/i18n/errorText";
import { useLine } from "@/realtime/socket";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";
import { isSendable } from "./attach/attach";
import { AttachButton, Going } from "./attach/Going";
import type { Attaching } from "./attach/useAttaching";

const TEXT_MAX = 500;
/** From here on one is told how much room is left. */
const TEXT_NEAR = 450;

/** The line to write in; in its place the reason, where nothing can be said. */
export function Composer({
  room,
  name,
  attaching,
  answering,
  editing,
  onLeave,
  onSend,
  onTyped,
}: {
  room: Room;
  name: string;
  attaching: Attaching;
  answering: RoomMessage | null;
  editing: RoomMessage | null;
  onLeave: () => void;
  onSend: (text: string, attachment?: RoomAttachment) => Promise<void>;
  onTyped: () => void;
}) {
  const { t } = useTranslation();
  const isUp = useLine((line) => line.state === "up");
  const [text, setText] = useState(editing?.text ?? "");
  const [isBusy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const target = answering?.id ?? editing?.id;
  useEffect(() => {
    if (target) field.current?.focus();
  }, [target]);
  if (room.refusal)
    return (
      <p className="shrink-0 border-line border-t px-5 py-4 text-soft" data-testid="room-refused">
        {errorText(t, new ApiError({ status: 403, code: room.refusal }))}
      </p>
    );
  const length = charCount(text);
  // Changing what was said changes its words only.
  const going = editing ? null : attaching.going;
  const hasWhat = going ? isSendable(going) : length > 0;
  const mayGo = hasWhat && length <= TEXT_MAX && isUp && !isBusy;
  const submit = async (event?: FormEvent) => {
    event?.preventDefault();
    if (!mayGo) return;
    setBusy(true);
    try {
      const sent = onSend(text.trim(), going?.done ?? undefined);
      if (going) attaching.sent();
      await sent;
      setText("");
    } catch (error) {
      toast({ kind: "error", title: errorText(t, error) });
    }
    setBusy(false);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && target) onLeave();
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) void submit(event);
  };
  const label = t("rooms.write", { name });
  return (
    <form onSubmit={(event) => void submit(event)} className="shrink-0 border-line border-t p-3 sm:px-5">
      {(answering || editing) && (
        <div className="mb-2 flex items-center gap-2 text-soft text-sm" data-testid="room-target">
          <span className="min-w-0 flex-1 truncate border-melt border-l-2 pl-2">
            {editing
              ? t("rooms.editing")
              : t("rooms.answering", { name: answering?.user.display_name ?? t("rooms.gone_member") })}
            {answering && ` · ${answering.text || answering.attachment?.name || ""}`}
          </span>
          <Button size="icon-s" look="ghost" aria-label={t("actions.cancel")} onClick={onLeave}>
            <X />
          </Button>
        </div>
      )}
      {!editing && <Going attaching={attaching} />}
      <div className="flex items-end gap-2">
        {!editing && (
          <AttachButton attaching={attaching} isOff={going !== null && !going.done && !going.error} />
        )}
        <textarea
          ref={field}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            if (event.target.value && !editing) onTyped();
          }}
          onKeyDown={onKey}
          onPaste={(event) => {
            const files = [...event.clipboardData.files];
            if (editing || files.length === 0) return;
            event.preventDefault();
            attaching.take(files);
          }}
          rows={1}
          aria-label={label}
          aria-invalid={length > TEXT_MAX || undefined}
          placeholder={isUp ? label : t("rooms.offline")}
          className="field-sizing-content max-h-40 min-h-11 min-w-0 flex-1 resize-none rounded-md border border-line-strong/70 bg-field px-3.5 py-2.5 placeholder:text-faint focus-visible:border-melt aria-invalid:border-danger"
          data-testid="room-input"
        />
        <Picker
          label={t("chat.insert")}
          onPick={(emoji) =>
            setText((old) => (old && !old.endsWith(" ") ? `${old} ${emoji} ` : `${old}${emoji} `))
          }
          trigger={
            <button
              type="button"
              className="grid size-11 shrink-0 place-items-center rounded-md text-soft hover:bg-raised hover:text-text max-sm:hidden [&_svg]:size-5"
            />
          }
        />
        <Button
          type="submit"
          look="solid"
          size="icon"
          className="size-11"
          disabled={!mayGo}
          isBusy={isBusy}
          aria-label={editing ? t("actions.save") : t("rooms.send")}
          data-testid="room-send"
        >
          {!isBusy && <SendHorizontal />}
        </Button>
      </div>
      {length >= TEXT_NEAR && (
        <p
          className={
            length > TEXT_MAX ? "tabular mt-1 text-danger text-xs" : "tabular mt-1 text-faint text-xs"
          }
          role="status"
        >
          {t("rooms.length", { length, max: TEXT_MAX })}
        </p>
      )}
    </form>
  );
}
