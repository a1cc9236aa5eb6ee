import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Check, SquarePen, Users, X } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Room } from "@/api/types";
import { WithPresence } from "@/features/presence/Presence";
import { usePresence } from "@/features/presence/usePresence";
import { Conversation } from "@/features/rooms/Conversation";
import { NewRoomDialog } from "@/features/rooms/NewRoomDialog";
import { myInvites, roomList, roomName, useAnswerInvite } from "@/features/rooms/rooms";
import { Found, SearchField, useIsSearching } from "@/features/rooms/Search";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Rills, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { More } from "@/ui/more";
import { RequireUser } from "./RequireUser";

/** The list beside what is open; on a phone one of the two. */
export function MessagesPage() {
  const { t } = useTranslation();
  const { room } = useParams({ strict: false });
  const isSearching = useIsSearching();
  const [isBeginning, setBeginning] = useState(false);
  return (
    <RequireUser>
      {(user) => (
        <div className="-mb-6 flex h-[calc(100dvh-var(--header-h)-var(--bottom-h))] md:-mb-10 md:h-[calc(100dvh-var(--header-h))]">
          <PageHead title={t("rooms.title")} isHidden />
          <div
            className={cx(
              "flex min-h-0 w-full flex-col border-line bg-surface md:w-[320px] md:shrink-0 md:border-r",
              room && "max-md:hidden",
            )}
          >
            <div className="flex items-center justify-between px-5 pt-6 pb-4">
              {/* The page's heading is above: on a phone this column may be out of sight. */}
              <p
                aria-hidden="true"
                className="font-bold font-display text-[34px] leading-none tracking-[-0.025em]"
              >
                {t("rooms.title")}
              </p>
              <Button
                size="icon"
                look="soft"
                onClick={() => setBeginning(true)}
                aria-label={t("rooms.new")}
                data-testid="new"
              >
                <SquarePen />
              </Button>
            </div>
            <SearchField />
            {isSearching ? (
              <Found open={room} />
            ) : (
              <>
                <Invitations />
                <Rooms open={room} me={user.id} onBegin={() => setBeginning(true)} />
              </>
            )}
          </div>
          <div className={cx("flex min-h-0 min-w-0 flex-1 flex-col", !room && "max-md:hidden")}>
            {room ? (
              <Conversation key={room} id={room} me={user.id} />
            ) : (
              <div className="relative m-auto flex flex-col items-center gap-4 px-6 text-center">
                <Rills className="h-24 w-72 opacity-60" />
                <p className="text-faint">{t("rooms.choose")}</p>
              </div>
            )}
          </div>
          {isBeginning && <NewRoomDialog onClose={() => setBeginning(false)} />}
        </div>
      )}
    </RequireUser>
  );
}

function Invitations() {
  const { t } = useTranslation();
  const mine = useQuery(myInvites());
  const answer = useAnswerInvite();
  const items = mine.data?.items ?? [];
  if (items.length === 0) return null;
  const isBusy = (id: string) => answer.isPending && answer.variables.id === id;
  return (
    <section className="px-3 pb-3" aria-label={t("rooms.invitations")} data-testid="invitations">
      <ul className="flex max-h-[30dvh] flex-col gap-1.5 overflow-y-auto">
        {items.map((one) => (
          <li
            key={one.room_id}
            className="flex items-center gap-2 rounded-md border border-melt/50 bg-melt-wash px-3 py-2"
          >
            <span className="min-w-0 flex-1">
              <span className="block truncate font-semibold">{one.name}</span>
              <span className="block truncate text-soft text-sm">
                {t("rooms.invited_by", { name: one.invited_by.display_name })}
              </span>
            </span>
            <Button
              size="icon-s"
              look="solid"
              isBusy={isBusy(one.room_id)}
              aria-label={t("rooms.join_named", { name: one.name })}
              onClick={() => answer.mutate({ id: one.room_id, isYes: true })}
              data-testid="join"
            >
              <Check />
            </Button>
            <Button
              size="icon-s"
              look="ghost"
              disabled={isBusy(one.room_id)}
              aria-label={t("rooms.decline_named", { name: one.name })}
              onClick={() => answer.mutate({ id: one.room_id, isYes: false })}
              data-testid="decline"
            >
              <X />
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Rooms({ open, me, onBegin }: { open: string | undefined; me: string; onBegin: () => void }) {
  const { t } = useTranslation();
  const [isArchive, setArchive] = useState(false);
  const list = useInfiniteQuery(roomList(isArchive));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  if (list.isError && !list.data)
    return (
      <div className="px-4">
        <ErrorState error={list.error} onRetry={() => void list.refetch()} />
      </div>
    );
  if (!list.data)
    return (
      <div className="flex flex-col gap-2 px-4" aria-busy="true">
        <Skeleton className="h-16" />
        <Skeleton className="h-16" />
        <Skeleton className="h-16" />
      </div>
    );
  return (
    <nav aria-label={t("rooms.title")} className="min-h-0 flex-1 overflow-y-auto px-2 pb-4">
      {items.length === 0 && !isArchive && (
        <div className="flex flex-col items-start gap-3 px-3" data-testid="rooms-empty">
          <p className="text-soft">{t("rooms.empty")}</p>
          <Button size="s" look="solid" onClick={onBegin}>
            {t("rooms.new")}
          </Button>
        </div>
      )}
      {items.length === 0 && isArchive && <p className="px-3 text-soft">{t("rooms.no_archived")}</p>}
      <ul className="flex flex-col gap-0.5">
        {items.map((item) => (
          <li key={item.id}>
            <Row room={item} isOpen={item.id === open} me={me} />
          </li>
        ))}
      </ul>
      <div className="mt-3 flex flex-col items-center gap-2">
        <More list={list} size="s" />
        <Button size="s" look="ghost" onClick={() => setArchive(!isArchive)} data-testid="archived">
          {t(isArchive ? "rooms.show_current" : "rooms.show_archived")}
        </Button>
      </div>
    </nav>
  );
}

function Row({ room, isOpen, me }: { room: Room; isOpen: boolean; me: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  const last = room.last_message;
  const said = last && (last.text || (last.attachment && t(`rooms.attach.a_${last.attachment}`)));
  const isNew = room.unread_count > 0;
  const name = roomName(room, t("rooms.gone_member"));
  const other = room.with?.is_active ? room.with : null;
  const presence = usePresence(other?.id, other?.presence);
  return (
    <Link
      to="/messages/$room"
      params={{ room: room.id }}
      aria-current={isOpen ? "page" : undefined}
      data-testid="room"
      data-unread={room.unread_count}
      data-name={other?.username ?? name}
      className={cx("flex items-center gap-3 rounded-md px-3 py-2.5 hover:bg-raised", isOpen && "bg-raised")}
    >
      <WithPresence presence={presence}>
        <Avatar name={name} username={other?.username ?? room.id} url={other?.avatar_url} size={42} />
      </WithPresence>
      <span className="min-w-0 flex-1">
        <span className="flex items-baseline gap-2">
          <span className="flex min-w-0 flex-1 items-center gap-1.5 font-semibold">
            {room.kind === "group" && (
              <Users role="img" aria-label={t("rooms.group")} className="size-3.5 shrink-0 text-faint" />
            )}
            <span className="truncate">{name}</span>
          </span>
          {last && <span className="shrink-0 text-faint text-xs">{ago(last.sent_at, lang)}</span>}
        </span>
        <span className="flex items-center gap-2">
          <span
            className={cx(
              "block min-w-0 flex-1 truncate text-sm",
              isNew ? "font-semibold text-text" : "text-faint",
            )}
          >
            {last
              ? last.user_id === me
                ? t("rooms.you_said", { text: said })
                : said
              : t("rooms.nothing_said")}
          </span>
          {isNew && (
            <span className="tabular grid h-5 min-w-5 place-items-center rounded-full bg-melt px-1.5 font-bold text-on-melt text-xs">
              <span aria-hidden="true">{room.unread_count > 99 ? "99+" : room.unread_count}</span>
              <span className="sr-only">{t("rooms.unread", { count: room.unread_count })}</span>
            </span>
          )}
        </span>
      </span>
    </Link>
  );
}
