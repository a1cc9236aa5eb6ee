import { Link } from "@tanstack/react-router";
import { Pencil, Reply, Trash2 } from "lucide-react";
import { type CSSProperties, memo } from "react";
import { useTranslation } from "react-i18next";
import type { RoomMessage } from "@/api/types";
import { hueOf } from "@/features/chat/colour";
import { Picker } from "@/features/chat/Picker";
import { pieces } from "@/features/chat/text";
import { EMOTES } from "@/features/emotes/emotes";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { timeOfDay } from "@/lib/time";
import { Avatar } from "@/ui/avatar";
import { Attached } from "./attach/Attached";
import type { SaidProps } from "./Said";

/** The server's limit for changing what one said. */
const EDIT_FOR_MS = 15 * 60_000;
const tool =
  "grid size-8 place-items-center rounded-sm text-soft hover:bg-raised hover:text-text focus-visible:opacity-100 [&>svg]:size-4";

type Props = Pick<
  SaidProps,
  "me" | "keepsOrder" | "isGroup" | "mayWrite" | "onAnswer" | "onEdit" | "onRemove" | "onReact"
> & {
  message: RoomMessage;
  isFirst: boolean;
  /** What was looked for and found. */
  isSought: boolean;
  /** Said above it, where a day begins. */
  day: string | null;
};

export const Bubble = memo(function Bubble({ message, isFirst, isSought, day, ...rest }: Props) {
  const { t } = useTranslation();
  const lang = useLang();
  const { me, isGroup } = rest;
  const isMine = message.user.id === me;
  const name = message.user.display_name ?? t("rooms.gone_member");
  return (
    <>
      {day && (
        <li className="my-4 flex items-center gap-3 text-faint text-xs before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
          {day}
        </li>
      )}
      <li
        data-testid="room-message"
        data-id={message.id}
        data-mine={isMine}
        data-sought={isSought || undefined}
        tabIndex={isSought ? -1 : undefined}
        className={cx(
          "group relative flex gap-2.5 rounded-lg outline-none",
          isFirst ? "mt-3" : "mt-1",
          isMine ? "flex-row-reverse" : "flex-row",
        )}
      >
        {!isMine && isGroup && (
          <span className="w-8 shrink-0">
            {isFirst && (
              <Avatar
                name={name}
                username={message.user.username ?? message.user.id}
                url={message.user.avatar_url}
                size={32}
              />
            )}
          </span>
        )}
        <div
          className={cx(
            "flex min-w-0 max-w-[85%] flex-col gap-1 sm:max-w-[70%]",
            isMine ? "items-end" : "items-start",
          )}
        >
          {isFirst && !isMine && isGroup && <Author message={message} name={name} />}
          <div
            className={cx(
              "max-w-full rounded-lg px-3.5 py-2",
              isMine ? "bg-melt-wash" : "border border-line bg-raised",
              isSought && "ring-2 ring-melt ring-offset-2 ring-offset-ground",
            )}
          >
            <span className="sr-only">{isMine ? t("rooms.you") : name}</span>
            {message.reply_to && (
              <p className="mb-1 truncate border-melt border-l-2 pl-2 text-soft text-sm">
                {message.reply_to.is_deleted ? (
                  t("rooms.answered_gone")
                ) : (
                  <>
                    <span className="font-semibold">
                      {message.reply_to.user?.display_name ?? t("rooms.gone_member")}
                    </span>{" "}
                    {message.reply_to.text ||
                      (message.reply_to.attachment && t(`rooms.attach.a_${message.reply_to.attachment}`))}
                  </>
                )}
              </p>
            )}
            {message.attachment && <Attached attachment={message.attachment} />}
            {(message.text || !message.attachment) && (
              <p className={cx("[overflow-wrap:anywhere]", !message.text && "text-soft")}>
                {message.text ? <Words text={message.text} /> : t("rooms.attach.gone")}
              </p>
            )}
            <p className="mt-0.5 text-right text-soft text-xs">
              {message.edited_at && `${t("chat.edited")} · `}
              <time dateTime={message.sent_at}>{timeOfDay(message.sent_at, lang)}</time>
            </p>
          </div>
          <Reactions message={message} {...rest} />
        </div>
        <Tools message={message} isMine={isMine} name={name} {...rest} />
      </li>
    </>
  );
});

function Author({ message, name }: { message: RoomMessage; name: string }) {
  const { username } = message.user;
  if (!username) return <span className="px-1 font-semibold text-faint text-sm">{name}</span>;
  return (
    <Link
      to="/c/$username"
      params={{ username }}
      className="name-hued px-1 font-semibold text-sm hover:underline"
      style={{ "--hue": hueOf(username) } as CSSProperties}
    >
      {name}
    </Link>
  );
}

function Words({ text }: { text: string }) {
  return pieces(text).map((part) =>
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
      <span key={part.at}>{part.value}</span>
    ),
  );
}

function Reactions({
  message,
  me,
  mayWrite,
  onReact,
}: { message: RoomMessage } & Pick<Props, "me" | "mayWrite" | "onReact">) {
  const { t } = useTranslation();
  if (!message.reactions?.length) return null;
  return (
    <div className="flex flex-wrap gap-1">
      {message.reactions.map(({ emoji, user_ids }) => {
        const isMine = user_ids.includes(me);
        const emote = EMOTES.find((one) => `:${one}:` === emoji);
        return (
          <button
            key={emoji}
            type="button"
            disabled={!mayWrite}
            aria-pressed={isMine}
            aria-label={t("chat.reaction", { emoji, count: user_ids.length })}
            onClick={() => onReact(message.id, emoji, !isMine)}
            data-testid="room-reaction"
            className={cx(
              "tabular inline-flex min-h-6 items-center gap-1 rounded-full border px-2 text-xs",
              isMine ? "border-melt bg-melt-wash font-semibold" : "border-line bg-raised",
            )}
          >
            {emote ? <img src={`/emotes/${emote}.svg`} alt="" className="size-4" /> : <span>{emoji}</span>}
            {user_ids.length}
          </button>
        );
      })}
    </div>
  );
}

/** In sight with the pointer or the focus on the message; on a screen that is touched, always there but quiet. */
function Tools({
  message,
  isMine,
  name,
  mayWrite,
  keepsOrder,
  onAnswer,
  onEdit,
  onRemove,
  onReact,
}: { message: RoomMessage; isMine: boolean; name: string } & Omit<
  Props,
  "message" | "isFirst" | "isSought" | "day"
>) {
  const { t } = useTranslation();
  const mayEdit = isMine && mayWrite && Date.now() - Date.parse(message.sent_at) < EDIT_FOR_MS;
  const mayRemove = isMine || keepsOrder;
  if (!mayWrite && !mayRemove) return null;
  return (
    <div className="flex shrink-0 items-center self-center opacity-0 focus-within:opacity-100 group-hover:opacity-100 [@media(hover:none)]:opacity-100">
      {mayWrite && (
        <>
          <Picker
            label={t("chat.react_to", { name })}
            onPick={(emoji) => onReact(message.id, emoji, true)}
            trigger={<button type="button" className={tool} data-testid="room-react" />}
          />
          <button
            type="button"
            className={cx(tool, "max-sm:hidden")}
            onClick={() => onAnswer(message)}
            aria-label={t("chat.reply_to", { name })}
            data-testid="room-answer"
          >
            <Reply />
          </button>
        </>
      )}
      {mayEdit && (
        <button
          type="button"
          className={tool}
          onClick={() => onEdit(message)}
          aria-label={t("chat.edit")}
          data-testid="room-edit"
        >
          <Pencil />
        </button>
      )}
      {mayRemove && (
        <button
          type="button"
          className={cx(tool, "hover:text-danger")}
          onClick={() => onRemove(message.id)}
          aria-label={t("chat.delete_by", { name })}
          data-testid="room-delete"
        >
          <Trash2 />
        </button>
      )}
    </div>
  );
}
