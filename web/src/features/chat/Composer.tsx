import { Link } from "@tanstack/react-router";
import { SendHorizontal } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import { cx } from "@/lib/cx";
import { Button, buttonClass } from "@/ui/button";
import { charCount } from "./text";
import type { ChatRoom } from "./useChat";

export const CHARS_MAX = 500;
/** From here on the count is worth showing. */
const COUNT_FROM = 400;

export function Composer({ room, username }: { room: ChatRoom; username: string }) {
  const { t } = useTranslation();
  const id = useId();
  const status = useSession((session) => session.status);
  const [text, setText] = useState("");
  const [last, setLast] = useState("");
  const count = charCount(text);
  const isTooLong = count > CHARS_MAX;
  const mode = modeText(room.modes);

  if (status !== "signed-in") {
    return (
      <div className="shrink-0 border-line border-t p-3">
        <p className="mb-2 text-soft text-sm">{t("chat.signin_hint")}</p>
        <Link
          to="/signin"
          search={{ next: `/c/${username}` }}
          className={buttonClass("soft", "m", "w-full")}
          data-testid="chat-signin"
        >
          {t("chat.signin")}
        </Link>
      </div>
    );
  }

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    const line = text.trim();
    if (!line || isTooLong || !room.isJoined) return;
    room.send(line);
    setLast(line);
    setText("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter that ends an input method's word does not send (Vietnamese Telex among others).
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && text === "" && last) {
      event.preventDefault();
      setText(last);
    }
  };
  return (
    <form onSubmit={submit} className="shrink-0 border-line border-t p-3">
      {mode && <p className="mb-2 text-soft text-xs">{t(mode.key, { seconds: mode.seconds })}</p>}
      <div className="flex items-end gap-2">
        <label htmlFor={id} className="sr-only">
          {t("chat.input")}
        </label>
        <textarea
          id={id}
          data-testid="chat-input"
          rows={1}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          placeholder={t("chat.placeholder")}
          aria-invalid={isTooLong || undefined}
          aria-describedby={count >= COUNT_FROM ? `${id}-count` : undefined}
          className="field-sizing-content max-h-32 min-h-11 w-full resize-none rounded-md border border-line-strong/70 bg-field px-3.5 py-2.5 leading-snug placeholder:text-faint hover:border-line-strong aria-invalid:border-danger"
        />
        <Button
          type="submit"
          look="solid"
          size="icon"
          className="size-11"
          aria-label={t("chat.send")}
          data-testid="chat-send"
          disabled={!room.isJoined || count === 0 || isTooLong}
        >
          <SendHorizontal />
        </Button>
      </div>
      {count >= COUNT_FROM && (
        <p
          id={`${id}-count`}
          className={cx("tabular mt-1 text-right text-xs", isTooLong ? "text-danger" : "text-faint")}
        >
          {t("chat.count", { count, max: CHARS_MAX })}
        </p>
      )}
    </form>
  );
}

function modeText(modes: ChatRoom["modes"]) {
  if (modes.followers_only_s !== null && modes.followers_only_s !== undefined)
    return { key: "chat.mode_followers", seconds: 0 } as const;
  if (modes.slow_s) return { key: "chat.mode_slow", seconds: modes.slow_s } as const;
  if (modes.emote_only) return { key: "chat.mode_emote", seconds: 0 } as const;
  return null;
}
