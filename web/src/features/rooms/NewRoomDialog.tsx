import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { friendList } from "@/features/friends/friends";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { More } from "@/ui/more";
import { useOpenRoom } from "./rooms";

const NAME_MAX = 60;

/** With whom to talk: one friend, or a group that is named now and filled afterwards. */
export function NewRoomDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const friends = useInfiniteQuery(friendList("accepted"));
  const open = useOpenRoom();
  const [name, setName] = useState("");
  const items = friends.data?.pages.flatMap((page) => page.items) ?? [];
  const begin = (body: { username: string } | { name: string }) => open.mutate(body, { onSuccess: onClose });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) begin({ name: name.trim() });
  };
  return (
    <Dialog isOpen onClose={onClose} title={t("rooms.new")}>
      <div className="flex flex-col gap-6" data-testid="new-room">
        <section aria-busy={friends.isPending}>
          <h3 className="mb-2 font-semibold">{t("rooms.with_friend")}</h3>
          {friends.isPending && <Skeleton className="h-24" />}
          {friends.isError && !friends.data && (
            <ErrorState error={friends.error} onRetry={() => void friends.refetch()} />
          )}
          {friends.data && items.length === 0 && (
            <p className="text-soft">
              {t("rooms.no_friends")}{" "}
              <Link to="/friends" className="text-melt underline underline-offset-2" onClick={onClose}>
                {t("friends.title")}
              </Link>
            </p>
          )}
          <ul className="flex max-h-[38dvh] flex-col gap-0.5 overflow-y-auto">
            {items.map((friend) => (
              <li key={friend.username}>
                <button
                  type="button"
                  disabled={open.isPending}
                  onClick={() => begin({ username: friend.username })}
                  data-testid="new-with"
                  className="flex w-full items-center gap-3 rounded-md px-2 py-2 text-left hover:bg-raised"
                >
                  <Avatar
                    name={friend.display_name}
                    username={friend.username}
                    url={friend.avatar_url}
                    size={34}
                  />
                  <span className="min-w-0 flex-1">
                    <span className="block truncate font-semibold text-[15px]">{friend.display_name}</span>
                    <span className="block truncate text-faint text-sm">
                      {t("channel.handle", { username: friend.username })}
                    </span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
          <More list={friends} size="s" look="ghost" className="mt-2" />
        </section>
        <form onSubmit={submit} className="flex items-end gap-2 border-line border-t pt-5">
          <div className="min-w-0 flex-1">
            <TextField
              label={t("rooms.new_group")}
              hint={t("rooms.new_group_hint")}
              value={name}
              maxLength={NAME_MAX}
              onChange={(event) => setName(event.target.value)}
              data-testid="new-group-name"
            />
          </div>
          <Button
            type="submit"
            className="mb-[26px] h-11"
            disabled={!name.trim()}
            isBusy={open.isPending}
            data-testid="new-group"
          >
            {t("rooms.create")}
          </Button>
        </form>
      </div>
    </Dialog>
  );
}
