import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, MessageCircle, UserMinus, X } from "lucide-react";
import type { ReactNode } from "react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Friend } from "@/api/types";
import { FRIENDS, type FriendList, friendList, useBondChange } from "@/features/friends/friends";
import { usePresenceText, WithPresence } from "@/features/presence/Presence";
import { usePresence } from "@/features/presence/usePresence";
import { useOpenRoom } from "@/features/rooms/rooms";
import { useLang } from "@/i18n/useLang";
import { ago } from "@/lib/time";
import { PageHead } from "@/shell/PageHead";
import { Avatar } from "@/ui/avatar";
import { Empty, ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { More } from "@/ui/more";
import { RequireUser } from "./RequireUser";

export function FriendsPage() {
  return <RequireUser>{() => <Friends />}</RequireUser>;
}

function Friends() {
  const { t } = useTranslation();
  const change = useBondChange();
  const write = useOpenRoom();
  const [ending, setEnding] = useState<Friend | null>(null);
  const isBusy = (friend: Friend) => change.isPending && change.variables?.username === friend.username;
  const end = (friend: Friend) => change.mutate({ username: friend.username, to: "end" });
  return (
    <div className="container-page flex max-w-[760px] flex-col gap-9 pt-8">
      <div className="-mb-9">
        <PageHead title={t("friends.title")} />
      </div>
      <People
        of="incoming"
        title={t("friends.incoming")}
        actions={(friend) => (
          <>
            <Button
              look="solid"
              size="s"
              isBusy={isBusy(friend)}
              onClick={() => change.mutate({ username: friend.username, to: "ask" })}
              aria-label={t("friends.accept_named", { name: friend.display_name })}
              data-testid="accept"
            >
              <Check />
              {t("friends.accept")}
            </Button>
            <Button
              size="icon-s"
              look="ghost"
              disabled={isBusy(friend)}
              onClick={() => end(friend)}
              aria-label={t("friends.decline_named", { name: friend.display_name })}
              data-testid="decline"
            >
              <X />
            </Button>
          </>
        )}
      />
      <People
        of="accepted"
        title={t("friends.all")}
        empty={
          <Empty
            title={t("friends.empty")}
            action={
              <Link to="/browse" className={buttonClass("solid")}>
                {t("nav.browse")}
              </Link>
            }
          >
            {t("friends.empty_text")}
          </Empty>
        }
        actions={(friend) => (
          <>
            <Button
              size="icon-s"
              look="ghost"
              disabled={write.isPending}
              onClick={() => write.mutate({ username: friend.username })}
              aria-label={t("rooms.message_named", { name: friend.display_name })}
              data-testid="message"
            >
              <MessageCircle />
            </Button>
            <Button
              size="icon-s"
              look="ghost"
              disabled={isBusy(friend)}
              onClick={() => setEnding(friend)}
              aria-label={t("friends.end_named", { name: friend.display_name })}
              data-testid="end"
            >
              <UserMinus />
            </Button>
          </>
        )}
      />
      <People
        of="outgoing"
        title={t("friends.outgoing")}
        actions={(friend) => (
          <Button size="s" isBusy={isBusy(friend)} onClick={() => end(friend)} data-testid="withdraw">
            {t("friends.withdraw")}
          </Button>
        )}
      />
      <People
        of="blocked"
        title={t("friends.blocked")}
        actions={(friend) => (
          <Button
            size="s"
            isBusy={isBusy(friend)}
            onClick={() => change.mutate({ username: friend.username, to: "unblock" })}
            data-testid="unblock"
          >
            {t("friends.unblock")}
          </Button>
        )}
      />
      <ConfirmDialog
        isOpen={ending !== null}
        onClose={() => setEnding(null)}
        onConfirm={() => {
          if (ending) end(ending);
          setEnding(null);
        }}
        title={t("friends.end_title", { name: ending?.display_name ?? "" })}
        description={t("friends.end_text")}
        confirmLabel={t("friends.end")}
        testId="end-confirm"
      />
    </div>
  );
}

/** One list. Without `empty` there is nothing to see of it when nobody is in it. */
function People({
  of,
  title,
  empty,
  actions,
}: {
  of: FriendList;
  title: string;
  empty?: ReactNode;
  actions: (friend: Friend) => ReactNode;
}) {
  const client = useQueryClient();
  const list = useInfiniteQuery(friendList(of));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const main = useInfiniteQuery(friendList("accepted"));
  const isMain = empty !== undefined;
  // What keeps all of them away is said once.
  const isToSay = list.isError && !list.data && (isMain || Boolean(main.data));
  if (!isMain && items.length === 0 && !isToSay) return null;
  return (
    <section data-testid={`friends-${of}`} aria-busy={list.isPending}>
      <SectionHead title={title} />
      {list.isPending && <Skeleton className="h-40" />}
      {isToSay && (
        <ErrorState
          error={list.error}
          onRetry={() => void client.refetchQueries({ queryKey: FRIENDS, type: "active" })}
        />
      )}
      {list.data && items.length === 0 && empty}
      {items.length > 0 && (
        <ul className="flex flex-col gap-0.5 rounded-lg border border-line bg-surface p-2">
          {items.map((friend) => (
            <li
              key={friend.username}
              data-testid="friend"
              data-username={friend.username}
              className="flex items-center gap-2 rounded-md px-2 py-2"
            >
              <Face friend={friend} isFriend={of === "accepted"} />
              {actions(friend)}
            </li>
          ))}
        </ul>
      )}
      <More list={list} size="s" className="mt-4 flex justify-center" />
    </section>
  );
}

/** Who it is, and of a friend whether they are there. */
function Face({ friend, isFriend }: { friend: Friend; isFriend: boolean }) {
  const { t } = useTranslation();
  const lang = useLang();
  const presence = usePresence(isFriend ? friend.id : undefined, friend.presence);
  const said = usePresenceText(presence);
  const note = said ?? ago(friend.since, lang);
  return (
    <Link
      to="/c/$username"
      params={{ username: friend.username }}
      className="flex min-w-0 flex-1 items-center gap-3.5 rounded-sm"
    >
      <WithPresence presence={presence} isSaid>
        <Avatar name={friend.display_name} username={friend.username} url={friend.avatar_url} size={42} />
      </WithPresence>
      <span className="min-w-0 flex-1">
        <span className="block truncate font-semibold">{friend.display_name}</span>
        <span className="block text-faint text-sm max-sm:[overflow-wrap:anywhere] sm:truncate">
          {t("channel.handle", { username: friend.username })} · {note}
        </span>
      </span>
    </Link>
  );
}
