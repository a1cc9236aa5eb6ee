import { Link } from "@tanstack/react-router";
import { RotateCw, ShieldCheck, Trash2, Video, X } from "lucide-react";
import { type CSSProperties, memo } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { timeOfDay } from "@/lib/time";
import { hueOf } from "./colour";
import type { Pending } from "./room";
import { pieces } from "./text";

const row = "group relative px-4 py-[3px] text-[14.5px] leading-[1.45] [overflow-wrap:anywhere]";

export const Line = memo(function Line({
  message,
  myName,
  onRemove,
}: {
  message: ChatMessage;
  myName: string | null;
  onRemove?: (id: string) => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const parts = message.deleted ? [] : pieces(message.text);
  const isToMe =
    myName !== null &&
    parts.some((part) => part.kind === "mention" && part.value.slice(1).toLowerCase() === myName);
  return (
    <div
      data-testid="chat-message"
      data-id={message.id}
      className={cx(row, "hover:bg-raised/60", isToMe && "border-melt border-l-[3px] bg-melt-wash pl-[13px]")}
    >
      <Author user={message.user} time={timeOfDay(message.sent_at, lang)} />
      {message.deleted ? (
        <em className="text-faint">{t("chat.deleted")}</em>
      ) : (
        parts.map((part) =>
          part.kind === "link" ? (
            <a
              key={part.at}
              href={part.value}
              target="_blank"
              rel="noopener noreferrer nofollow ugc"
              className="text-melt underline underline-offset-2"
            >
              {part.value}
            </a>
          ) : (
            <span key={part.at} className={part.kind === "mention" ? "font-semibold" : undefined}>
              {part.value}
            </span>
          ),
        )
      )}
      {onRemove && (
        <button
          type="button"
          onClick={() => onRemove(message.id)}
          aria-label={t("chat.delete_by", { name: message.user.display_name })}
          data-testid="chat-delete"
          className="absolute top-0 right-2 grid size-7 place-items-center rounded-sm border border-line bg-overlay text-soft opacity-0 hover:text-danger focus-visible:opacity-100 group-hover:opacity-100"
        >
          <Trash2 className="size-3.5" />
        </button>
      )}
    </div>
  );
});

function Author({ user, time }: { user: ChatMessage["user"]; time?: string }) {
  const { t } = useTranslation();
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
      <Link
        to="/c/$username"
        params={{ username: user.username }}
        title={time}
        className="name-hued mr-2 font-bold hover:underline"
        style={{ "--hue": hueOf(user.username) } as CSSProperties}
      >
        {user.display_name}
      </Link>
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
      {!isFailed && <span className="sr-only">{t("chat.sending")}</span>}
      {isFailed && (
        <div role="alert" className="mt-0.5 flex flex-wrap items-center gap-x-3 gap-y-1 text-danger text-sm">
          <span>{why}</span>
          <button
            type="button"
            className="inline-flex min-h-6 items-center gap-1 font-semibold underline underline-offset-2"
            onClick={() => onRetry(pending.clientId)}
          >
            <RotateCw className="size-3.5" />
            {t("actions.retry")}
          </button>
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
