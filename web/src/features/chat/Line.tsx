import { Link } from "@tanstack/react-router";
import {
  Flag,
  Gavel,
  Megaphone,
  Pencil,
  Pin,
  Reply,
  RotateCw,
  ShieldCheck,
  Trash2,
  Video,
  X,
} from "lucide-react";
import { type CSSProperties, memo } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { EmoteImage } from "@/features/emotes/EmoteImage";
import { emoteUrl, useOwnEmotes } from "@/features/emotes/emotes";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { usePrefs } from "@/lib/prefs";
import { timeOfDay } from "@/lib/time";
import { hueOf } from "./colour";
import { Picker } from "./Picker";
import type { Pending } from "./room";
import { pieces } from "./text";

const row =
  "group relative px-4 py-[3px] text-[length:var(--chat-size,14.5px)] leading-[1.45] [overflow-wrap:anywhere]";
const tool =
  "grid size-7 place-items-center rounded-sm text-soft hover:bg-raised hover:text-text focus-visible:opacity-100 [&>svg]:size-3.5";

/** What can be done with a line. What this viewer may not do is left out. */
export type LineActions = {
  onReply?: (message: ChatMessage) => void;
  onReact?: (id: string, emoji: string, on: boolean) => void;
  onEdit?: (message: ChatMessage) => void;
  onPin?: (id: string) => void;
  onRemove?: (id: string) => void;
  onThread?: (id: string) => void;
  onReport?: (message: ChatMessage) => void;
  /** Opens the card of who said it beside their name. */
  onAuthor?: (message: ChatMessage, anchor: HTMLElement) => void;
  /** Opens what else a moderator may do, beside `anchor`. */
  onModerate?: (message: ChatMessage, anchor: HTMLElement) => void;
};

export const Line = memo(function Line({
  message,
  myName,
  actions,
}: {
  message: ChatMessage;
  myName: string | null;
  actions: LineActions;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const hasTimes = usePrefs((prefs) => prefs.hasChatTimes);
  const isToMe =
    myName !== null && (message.mentions?.some((mention) => mention.username === myName) ?? false);
  const isAnnouncement = message.kind === "announcement" && !message.deleted;
  const { reply_to: answered, reactions } = message;
  return (
    <div
      data-testid="chat-message"
      data-id={message.id}
      data-kind={message.kind}
      className={cx(
        row,
        "hover:bg-raised/60",
        isToMe && "border-melt border-l-[3px] bg-melt-wash pl-[13px]",
        isAnnouncement && "my-1 border-live-text border-y bg-raised py-2",
      )}
    >
      {isAnnouncement && (
        <p className="mb-0.5 flex items-center gap-1.5 font-semibold text-live-text text-xs">
          <Megaphone className="size-3.5" />
          {t("chat.announcement")}
        </p>
      )}
      {answered && (
        <button
          type="button"
          onClick={() => actions.onThread?.(message.id)}
          data-testid="chat-answered"
          className="flex w-full min-w-0 items-center gap-1.5 text-left text-faint text-xs hover:text-text"
        >
          <Reply className="size-3 shrink-0 -scale-x-100" />
          <span className="truncate">
            {answered.is_deleted
              ? t("chat.deleted")
              : `${answered.user?.display_name ?? ""}: ${answered.text}`}
          </span>
        </button>
      )}
      {hasTimes && (
        <time dateTime={message.sent_at} className="tabular mr-1.5 text-faint text-xs">
          {timeOfDay(message.sent_at, lang)}
        </time>
      )}
      <Author
        user={message.user}
        time={timeOfDay(message.sent_at, lang)}
        onOpen={actions.onAuthor && ((anchor) => actions.onAuthor?.(message, anchor))}
      />
      {message.deleted ? <em className="text-faint">{t("chat.deleted")}</em> : <Words message={message} />}
      {message.edited_at && !message.deleted && (
        <span className="ml-1.5 text-faint text-xs">{t("chat.edited")}</span>
      )}
      {reactions && reactions.length > 0 && !message.deleted && (
        <div className="mt-1 flex flex-wrap gap-1">
          {reactions.map((one) => (
            <button
              key={one.emoji}
              type="button"
              disabled={!actions.onReact}
              aria-pressed={one.is_mine ?? false}
              aria-label={t("chat.reaction", { emoji: one.emoji, count: one.count })}
              onClick={() => actions.onReact?.(message.id, one.emoji, !one.is_mine)}
              data-testid="chat-reaction"
              data-emoji={one.emoji}
              className={cx(
                "tabular inline-flex min-h-6 items-center gap-1 rounded-full border px-2 text-xs",
                one.is_mine ? "border-melt bg-melt-wash font-semibold" : "border-line bg-raised",
              )}
            >
              <Emoji emoji={one.emoji} />
              {one.count}
            </button>
          ))}
        </div>
      )}
      {!message.deleted && <Tools message={message} actions={actions} />}
    </div>
  );
});

function Words({ message }: { message: ChatMessage }) {
  return pieces(message.text, message.emotes).map((part) => {
    if (part.kind === "link") {
      return (
        <a
          key={part.at}
          href={part.value}
          target="_blank"
          rel="noopener noreferrer nofollow ugc"
          className="text-melt underline underline-offset-2"
        >
          {part.value}
        </a>
      );
    }
    if (part.kind === "emote") {
      return (
        <EmoteImage
          key={part.at}
          url={part.url ?? ""}
          name={part.value.slice(1, -1)}
          className="mx-0.5 inline size-[1.75em] align-middle"
        />
      );
    }
    const isName =
      part.kind === "mention" &&
      message.mentions?.some((mention) => mention.username === part.value.slice(1).toLowerCase());
    return (
      <span key={part.at} className={isName ? "font-semibold text-melt" : undefined}>
        {part.value}
      </span>
    );
  });
}

function Emoji({ emoji }: { emoji: string }) {
  const own = useOwnEmotes();
  const name = /^:(.+):$/.exec(emoji)?.[1];
  const url = name && emoteUrl(name, own);
  if (!name || !url) return <span>{emoji}</span>;
  return <EmoteImage url={url} name={name} isDecoration className="size-4" />;
}

function Tools({ message, actions }: { message: ChatMessage; actions: LineActions }) {
  const { t } = useTranslation();
  const { onReply, onReact, onEdit, onPin, onRemove, onReport, onModerate } = actions;
  const name = message.user.display_name;
  if (!Object.values({ onReply, onReact, onEdit, onPin, onRemove, onReport, onModerate }).some(Boolean))
    return null;
  return (
    <div className="absolute -top-2.5 right-2 z-[1] flex rounded-sm border border-line bg-overlay opacity-0 focus-within:opacity-100 group-hover:opacity-100 group-focus/row:opacity-100">
      {onReact && (
        <Picker
          label={t("chat.react_to", { name })}
          onPick={(emoji) => onReact(message.id, emoji, true)}
          trigger={<button type="button" className={tool} data-testid="chat-react" />}
        />
      )}
      {onReply && (
        <button
          type="button"
          className={tool}
          onClick={() => onReply(message)}
          aria-label={t("chat.reply_to", { name })}
          data-testid="chat-reply"
        >
          <Reply />
        </button>
      )}
      {onEdit && (
        <button
          type="button"
          className={tool}
          onClick={() => onEdit(message)}
          aria-label={t("chat.edit")}
          data-testid="chat-edit"
        >
          <Pencil />
        </button>
      )}
      {onPin && (
        <button
          type="button"
          className={tool}
          onClick={() => onPin(message.id)}
          aria-label={t("chat.pin_by", { name })}
          data-testid="chat-pin"
        >
          <Pin />
        </button>
      )}
      {onRemove && (
        <button
          type="button"
          className={cx(tool, "hover:text-danger")}
          onClick={() => onRemove(message.id)}
          aria-label={t("chat.delete_by", { name })}
          data-testid="chat-delete"
        >
          <Trash2 />
        </button>
      )}
      {onReport && (
        <button
          type="button"
          className={cx(tool, "hover:text-danger")}
          onClick={() => onReport(message)}
          aria-label={t("report.line_by", { name })}
          data-testid="chat-report"
        >
          <Flag />
        </button>
      )}
      {onModerate && (
        <button
          type="button"
          className={tool}
          onClick={(event) => onModerate(message, event.currentTarget)}
          aria-label={t("mod.act_on", { name })}
          aria-haspopup="menu"
          data-testid="mod-menu"
        >
          <Gavel />
        </button>
      )}
    </div>
  );
}

function Author({
  user,
  time,
  onOpen,
}: {
  user: ChatMessage["user"];
  time?: string;
  onOpen?: (anchor: HTMLElement) => void;
}) {
  const { t } = useTranslation();
  const name = {
    title: time,
    className: "name-hued mr-2 inline text-left font-bold [overflow-wrap:anywhere] hover:underline",
    style: { "--hue": hueOf(user.username) } as CSSProperties,
  };
  return (
    <>
      {user.badges.includes("broadcaster") && (
        <Video
          role="img"
          aria-label={t("chat.badge_broadcaster")}
          className="mr-1 inline size-3.5 text-live-text"
        />
      )}
      {(user.badges.includes("moderator") || user.badges.includes("admin")) && (
        <ShieldCheck
          role="img"
          aria-label={t("chat.badge_moderator")}
          className="mr-1 inline size-3.5 text-good"
        />
      )}
      {onOpen ? (
        <button
          {...name}
          type="button"
          onClick={(event) => onOpen(event.currentTarget)}
          aria-haspopup="dialog"
          data-testid="chat-author"
        >
          {user.display_name}
        </button>
      ) : (
        <Link to="/c/$username" params={{ username: user.username }} {...name}>
          {user.display_name}
        </Link>
      )}
    </>
  );
}

export const PendingLine = memo(function PendingLine({
  pending,
  onRetry,
  onDiscard,
}: {
  pending: Pending;
  onRetry: (clientId: string) => void;
  onDiscard: (clientId: string) => void;
}) {
  const { t } = useTranslation();
  const me = useSession((session) => session.user);
  const isFailed = pending.state === "failed";
  const why = isFailed
    ? errorText(
        t,
        new ApiError({
          status: pending.code === "network" ? 0 : 400,
          code: pending.code ?? "unknown",
          retryAfterS: pending.retryAfterS,
        }),
      )
    : "";
  return (
    <div
      data-testid="chat-pending"
      data-state={pending.state}
      className={cx(row, isFailed && "bg-danger-wash")}
    >
      {me && <Author user={{ ...me, badges: [] }} />}
      <span className={isFailed ? undefined : "text-faint"}>{pending.text}</span>
      {pending.state === "sending" && <span className="sr-only">{t("chat.sending")}</span>}
      {pending.state === "held" && (
        <p role="status" className="mt-0.5 text-faint text-sm">
          {t("chat.held")}
        </p>
      )}
      {isFailed && (
        <div role="alert" className="mt-0.5 flex flex-wrap items-center gap-x-3 gap-y-1 text-danger text-sm">
          <span>{why}</span>
          {pending.code !== "chat.denied" && (
            <button
              type="button"
              className="inline-flex min-h-6 items-center gap-1 font-semibold underline underline-offset-2"
              onClick={() => onRetry(pending.clientId)}
            >
              <RotateCw className="size-3.5" />
              {t("actions.retry")}
            </button>
          )}
          <button
            type="button"
            className="inline-flex min-h-6 items-center gap-1 underline underline-offset-2"
            onClick={() => onDiscard(pending.clientId)}
          >
            <X className="size-3.5" />
            {t("chat.discard")}
          </button>
        </div>
      )}
    </div>
  );
});
