import { Link, useRouterState } from "@tanstack/react-router";
import { SendHorizontal, X } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { EmoteImage } from "@/features/emotes/EmoteImage";
import { EMOTES, emoteUrl, useOwnEmotes } from "@/features/emotes/emotes";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { serverTime } from "@/lib/serverClock";
import { timeOfDay } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { Button, buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";
import { accept, complete } from "./complete";
import { Picker } from "./Picker";
import { Plea } from "./Plea";
import { charCount } from "./text";
import type { ChatRoom } from "./useChat";

export const CHARS_MAX = 500;
/** From here on the count is worth showing. */
const COUNT_FROM = 400;

/** What the next line is about. */
export type Target = { kind: "reply" | "edit"; message: ChatMessage };

/** How long the server lets one's own line be changed. */
const EDIT_FOR_MS = 60_000;
/** As many recent authors as are worth offering. */
const AUTHORS_FROM = 300;

export function Composer({
  room,
  username,
  target,
  onTarget,
  onRelease,
}: {
  room: ChatRoom;
  username: string;
  target: Target | null;
  onTarget: (target: Target) => void;
  onRelease: () => void;
}) {
  const { t } = useTranslation();
  const id = useId();
  const lang = useLang();
  const status = useSession((session) => session.status);
  const me = useSession((session) => session.user);
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  const [last, setLast] = useState("");
  const [caret, setCaret] = useState(0);
  const [chosen, setChosen] = useState(0);
  const [isRefused, setRefused] = useState(false);
  const names = useMemo(() => recentAuthors(room.lines, username), [room.lines, username]);
  const own = useOwnEmotes();
  const emotes = useMemo(() => [...own.map((one) => one.name), ...EMOTES], [own]);
  const offer = isRefused ? null : complete(text, caret, names, emotes);
  useEffect(() => {
    if (!target) return;
    if (target.kind === "edit") setText(target.message.text);
    field.current?.focus();
  }, [target]);
  const count = charCount(text);
  const isTooLong = count > CHARS_MAX;
  const modes = modeTexts(room.modes);
  const here = useRouterState({ select: (state) => state.location.pathname });
  // Only a timeout ends by itself.
  const now = useNow(room.sanction?.until ? 1_000 : null);

  if (status !== "signed-in") {
    return (
      <div className="shrink-0 border-line border-t p-3">
        <p className="mb-2 text-soft text-sm">{t("chat.signin_hint")}</p>
        <Link
          to="/signin"
          search={{ next: here }}
          className={buttonClass("soft", "m", "w-full")}
          data-testid="chat-signin"
        >
          {t("chat.signin")}
        </Link>
      </div>
    );
  }

  const clear = () => {
    setText("");
    setCaret(0);
    onRelease();
  };
  const { sanction } = room;
  const isBarred = sanction !== null && (sanction.until === null || Date.parse(sanction.until) > now);
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    const line = text.trim();
    if (!line || isTooLong || !room.isJoined) return;
    if (target?.kind === "edit") {
      room
        .edit(target.message.id, line)
        .catch((error: unknown) => toast({ kind: "error", title: errorText(t, error) }));
    } else {
      room.send(line, target?.message.id);
      setLast(line);
    }
    clear();
  };
  const take = (index: number) => {
    const one = offer?.offers[index];
    if (!offer || !one) return;
    const next = accept(text, offer, one);
    setText(next.text);
    setCaret(next.caret);
    setChosen(0);
    requestAnimationFrame(() => field.current?.setSelectionRange(next.caret, next.caret));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Keys that belong to an input method's word do nothing else (Vietnamese Telex among others).
    if (event.nativeEvent.isComposing) return;
    if (offer && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      take(Math.min(chosen, offer.offers.length - 1));
    } else if (offer && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : offer.offers.length - 1;
      setChosen((now) => (now + step) % offer.offers.length);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && (offer || target)) {
      event.stopPropagation();
      if (offer) setRefused(true);
      else clear();
    } else if (event.key === "ArrowUp" && text === "") {
      const own = room.lines.findLast((line) => line.user.id === me?.id && !line.deleted);
      if (own && Date.now() - Date.parse(own.sent_at) < EDIT_FOR_MS) {
        event.preventDefault();
        onTarget({ kind: "edit", message: own });
      } else if (last) {
        event.preventDefault();
        setText(last);
      }
    }
  };
  const barred = isBarred && (
    <p role="status" className="mb-2 text-danger text-sm" data-testid="chat-barred">
      {sanction.until === null
        ? t("chat.barred")
        : t("chat.barred_until", { time: timeOfDay(sanction.until, lang) })}{" "}
      {sanction.reason && t("chat.barred_for", { reason: sanction.reason })}
    </p>
  );
  // Nothing can be written here until somebody lifts it; what can be written is a request.
  if (isBarred && sanction.until === null) {
    return (
      <div className="max-h-[60%] shrink-0 overflow-y-auto border-line border-t p-3">
        {barred}
        <Plea channel={username.toLowerCase()} />
      </div>
    );
  }
  return (
    <form onSubmit={submit} className="shrink-0 border-line border-t p-3">
      {barred}
      {modes.length > 0 && (
        <p className="mb-2 text-soft text-xs" data-testid="chat-modes">
          {modes.map(({ key, seconds }) => t(key, { seconds })).join(" ")}{" "}
          {!room.isModerator && <Cooldown room={room} myId={me?.id ?? null} />}
        </p>
      )}
      {target && (
        <div
          className="mb-2 flex items-center gap-2 rounded-md bg-raised px-3 py-1.5 text-sm"
          data-testid="chat-target"
        >
          <span className="min-w-0 flex-1 truncate text-soft">
            {target.kind === "edit"
              ? t("chat.editing")
              : t("chat.replying", { name: target.message.user.display_name, text: target.message.text })}
          </span>
          <Button look="ghost" size="icon-s" onClick={clear} aria-label={t("actions.cancel")}>
            <X />
          </Button>
        </div>
      )}
      {offer && (
        <ul
          id={`${id}-offers`}
          aria-label={t("chat.offers")}
          data-testid="chat-offers"
          className="mb-2 flex flex-wrap gap-1"
        >
          {offer.offers.map((one, index) => (
            <li key={one}>
              <button
                type="button"
                onClick={() => take(index)}
                aria-current={index === chosen || undefined}
                className="inline-flex min-h-7 items-center gap-1 rounded-sm border border-line bg-raised px-2 text-sm aria-[current]:border-melt aria-[current]:bg-melt-wash"
              >
                {one.startsWith(":") && (
                  <EmoteImage
                    url={emoteUrl(one.slice(1, -1), own) ?? ""}
                    name={one.slice(1, -1)}
                    isDecoration
                    className="size-5"
                  />
                )}
                {one}
              </button>
            </li>
          ))}
        </ul>
      )}
      <div className="flex items-end gap-2">
        <label htmlFor={id} className="sr-only">
          {t("chat.input")}
        </label>
        <textarea
          ref={field}
          id={id}
          data-testid="chat-input"
          rows={1}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setCaret(event.target.selectionStart);
            setChosen(0);
            setRefused(false);
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          aria-controls={offer ? `${id}-offers` : undefined}
          onKeyDown={onKeyDown}
          placeholder={t("chat.placeholder")}
          aria-invalid={isTooLong || undefined}
          aria-describedby={count >= COUNT_FROM ? `${id}-count` : undefined}
          className="field-sizing-content max-h-32 min-h-11 w-full resize-none rounded-md border border-line-strong/70 bg-field px-3.5 py-2.5 leading-snug placeholder:text-faint hover:border-line-strong aria-invalid:border-danger"
        />
        <Picker
          label={t("chat.insert")}
          onPick={(emoji) => {
            const gap = text && !text.endsWith(" ") ? " " : "";
            setText(`${text}${gap}${emoji} `);
            field.current?.focus();
          }}
          trigger={<Button look="ghost" size="icon" className="size-11 shrink-0" />}
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

/** Whom one may want to name: who spoke last first, and whose channel it is. */
function recentAuthors(lines: ChatMessage[], channel: string): string[] {
  const names = new Set<string>();
  for (const line of lines.slice(-AUTHORS_FROM).reverse()) names.add(line.user.username);
  return [...names.add(channel.toLowerCase())];
}

/** What holds here, what keeps most people out first. */
export function modeTexts(modes: ChatRoom["modes"]) {
  const followers = modes.followers_only_s ?? null;
  return [
    ...(followers !== null ? [{ key: "chat.mode_followers", seconds: 0 } as const] : []),
    ...(modes.slow_s ? [{ key: "chat.mode_slow", seconds: modes.slow_s } as const] : []),
    ...(modes.emote_only ? [{ key: "chat.mode_emote", seconds: 0 } as const] : []),
    ...(modes.unique ? [{ key: "chat.mode_unique", seconds: 0 } as const] : []),
    ...(modes.links === "block" ? [{ key: "chat.mode_no_links", seconds: 0 } as const] : []),
  ];
}

/** In slow mode: how long until one's next line. */
function Cooldown({ room, myId }: { room: ChatRoom; myId: string | null }) {
  const { t } = useTranslation();
  const slowS = room.modes.slow_s ?? 0;
  const last = slowS > 0 ? room.lines.findLast((line) => line.user.id === myId) : undefined;
  const until = last ? Date.parse(last.sent_at) + slowS * 1_000 : 0;
  const now = serverTime(useNow(until > serverTime(Date.now()) ? 1_000 : null));
  const left = Math.ceil((until - now) / 1_000);
  if (left <= 0) return null;
  return (
    <span className="tabular font-semibold text-text" data-testid="chat-cooldown">
      {t("chat.cooldown", { seconds: Math.min(left, slowS) })}
    </span>
  );
}
