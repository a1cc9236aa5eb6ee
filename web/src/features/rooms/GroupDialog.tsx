import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import { ArrowDown, ArrowUp, Crown, UserMinus, UserPlus, X } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Presence, Room, RoomMember } from "@/api/types";
import { friendList } from "@/features/friends/friends";
import { usePresenceText, WithPresence } from "@/features/presence/Presence";
import { usePresence } from "@/features/presence/usePresence";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { ConfirmDialog, Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { More } from "@/ui/more";
import { type RoomChange, roomInvites, roomMembers, useRoomChange } from "./rooms";

const NAME_MAX = 60;
const RANK = { member: 0, admin: 1, owner: 2 } as const;

/** Who sits in a group, and what the viewer may change about it. */
export function GroupDialog({ room, me, onClose }: { room: Room; me: string; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const members = useQuery(roomMembers(room.id));
  const change = useRoomChange(room.id);
  const [asking, setAsking] = useState<{
    title: string;
    text: string;
    label: string;
    onYes: () => void;
  } | null>(null);
  const keepsOrder = room.role !== "member";
  const isOwner = room.role === "owner";
  const self = members.data?.items.find((member) => member.id === me);
  const act = (next: RoomChange) => change.mutate(next);
  const leave = () =>
    self &&
    change.mutate(
      { to: "remove", username: self.username },
      {
        onSuccess: () => {
          onClose();
          void navigate({ to: "/messages" });
        },
      },
    );
  return (
    <Dialog isOpen onClose={onClose} title={room.name ?? ""}>
      <div className="flex flex-col gap-6" data-testid="group-dialog">
        {keepsOrder && !room.is_archived && (
          <NameForm room={room} onSave={(name) => act({ to: "name", name })} />
        )}
        <section aria-busy={members.isPending}>
          <h3 className="mb-2 font-semibold">{t("rooms.members_count", { count: room.members_count })}</h3>
          {members.isPending && <Skeleton className="h-24" />}
          {members.isError && !members.data && (
            <ErrorState error={members.error} onRetry={() => void members.refetch()} />
          )}
          <ul className="flex max-h-[38dvh] flex-col gap-0.5 overflow-y-auto">
            {members.data?.items.map((member) => (
              <Person key={member.id} person={member} watched={member.id} note={roleNote(t, member)}>
                {isOwner && member.id !== me && (
                  <>
                    <Button
                      size="icon-s"
                      look="ghost"
                      aria-label={t(member.role === "admin" ? "rooms.make_member" : "rooms.make_admin", {
                        name: member.display_name,
                      })}
                      onClick={() =>
                        act({
                          to: "role",
                          username: member.username,
                          role: member.role === "admin" ? "member" : "admin",
                        })
                      }
                      data-testid="set-role"
                    >
                      {member.role === "admin" ? <ArrowDown /> : <ArrowUp />}
                    </Button>
                    <Button
                      size="icon-s"
                      look="ghost"
                      aria-label={t("rooms.make_owner", { name: member.display_name })}
                      onClick={() =>
                        setAsking({
                          title: t("rooms.make_owner_title", { name: member.display_name }),
                          text: t("rooms.make_owner_text"),
                          label: t("rooms.hand_over"),
                          onYes: () => act({ to: "role", username: member.username, role: "owner" }),
                        })
                      }
                    >
                      <Crown />
                    </Button>
                  </>
                )}
                {keepsOrder && RANK[room.role] > RANK[member.role] && member.id !== me && (
                  <Button
                    size="icon-s"
                    look="ghost"
                    aria-label={t("rooms.show_out", { name: member.display_name })}
                    onClick={() =>
                      setAsking({
                        title: t("rooms.show_out_title", { name: member.display_name }),
                        text: t("rooms.show_out_text"),
                        label: t("rooms.show_out_confirm"),
                        onYes: () => act({ to: "remove", username: member.username }),
                      })
                    }
                    data-testid="show-out"
                  >
                    <UserMinus />
                  </Button>
                )}
              </Person>
            ))}
          </ul>
        </section>
        {keepsOrder && !room.is_archived && (
          <Invites room={room} members={members.data?.items ?? []} act={act} />
        )}
        <div className="flex flex-wrap justify-end gap-2 border-line border-t pt-4">
          {isOwner && (
            <Button
              look="soft"
              isBusy={change.isPending && change.variables.to === "archive"}
              onClick={() => act({ to: "archive", is_archived: !room.is_archived })}
              data-testid="archive"
            >
              {t(room.is_archived ? "rooms.unarchive" : "rooms.archive")}
            </Button>
          )}
          <Button
            look="danger"
            disabled={!self}
            onClick={() =>
              setAsking({
                title: t("rooms.leave_title", { name: room.name ?? "" }),
                text: t(isOwner ? "rooms.leave_owner_text" : "rooms.leave_text"),
                label: t("rooms.leave"),
                onYes: leave,
              })
            }
            data-testid="leave"
          >
            {t("rooms.leave")}
          </Button>
        </div>
      </div>
      <ConfirmDialog
        isOpen={asking !== null}
        onClose={() => setAsking(null)}
        onConfirm={() => {
          asking?.onYes();
          setAsking(null);
        }}
        title={asking?.title ?? ""}
        description={asking?.text ?? ""}
        confirmLabel={asking?.label ?? ""}
        testId="group-confirm"
      />
    </Dialog>
  );
}

function roleNote(t: TFunction, member: RoomMember): string {
  const handle = t("channel.handle", { username: member.username });
  if (member.role === "owner") return `${handle} · ${t("rooms.role_owner")}`;
  return member.role === "admin" ? `${handle} · ${t("rooms.role_admin")}` : handle;
}

function Person({
  person,
  watched,
  note,
  children,
}: {
  person: {
    username: string;
    display_name: string;
    avatar_url?: string | null;
    presence?: Presence | null;
  };
  /** Whose presence is shown: that of who sits in the group. */
  watched?: string;
  note: string;
  children: ReactNode;
}) {
  const presence = usePresence(watched, person.presence);
  const said = usePresenceText(presence);
  return (
    <li className="flex items-center gap-3 rounded-md px-1 py-1.5" data-username={person.username}>
      <WithPresence presence={presence} isSaid>
        <Avatar name={person.display_name} username={person.username} url={person.avatar_url} size={34} />
      </WithPresence>
      <span className="min-w-0 flex-1">
        <span className="block truncate font-semibold text-[15px]">{person.display_name}</span>
        <span className="block text-faint text-sm max-sm:[overflow-wrap:anywhere] sm:truncate">
          {said ? `${note} · ${said}` : note}
        </span>
      </span>
      {children}
    </li>
  );
}

function NameForm({ room, onSave }: { room: Room; onSave: (name: string) => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(room.name ?? "");
  const trimmed = name.trim();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (trimmed && trimmed !== room.name) onSave(trimmed);
  };
  return (
    <form onSubmit={submit} className="flex items-end gap-2">
      <div className="min-w-0 flex-1">
        <TextField
          label={t("rooms.group_name")}
          value={name}
          maxLength={NAME_MAX}
          onChange={(event) => setName(event.target.value)}
          data-testid="group-name"
        />
      </div>
      <Button type="submit" className="h-11" disabled={!trimmed || trimmed === room.name}>
        {t("actions.save")}
      </Button>
    </form>
  );
}

function Invites({
  room,
  members,
  act,
}: {
  room: Room;
  members: RoomMember[];
  act: (change: RoomChange) => void;
}) {
  const { t } = useTranslation();
  const waiting = useQuery(roomInvites(room.id));
  const friends = useInfiniteQuery(friendList("accepted"));
  const invited = waiting.data?.items ?? [];
  const taken = new Set([...members, ...invited].map((one) => one.username));
  const open = (friends.data?.pages.flatMap((page) => page.items) ?? []).filter(
    (friend) => !taken.has(friend.username),
  );
  return (
    <section>
      <h3 className="mb-2 font-semibold">{t("rooms.invite")}</h3>
      <ul className="flex max-h-[30dvh] flex-col gap-0.5 overflow-y-auto">
        {invited.map((one) => (
          <Person key={one.username} person={one} note={t("rooms.invited")}>
            <Button
              size="icon-s"
              look="ghost"
              aria-label={t("rooms.withdraw", { name: one.display_name })}
              onClick={() => act({ to: "withdraw", username: one.username })}
              data-testid="withdraw-invite"
            >
              <X />
            </Button>
          </Person>
        ))}
        {open.map((friend) => (
          <Person
            key={friend.username}
            person={friend}
            note={t("channel.handle", { username: friend.username })}
          >
            <Button
              size="s"
              aria-label={t("rooms.invite_named", { name: friend.display_name })}
              onClick={() => act({ to: "invite", username: friend.username })}
              data-testid="invite"
            >
              <UserPlus />
              {t("rooms.invite")}
            </Button>
          </Person>
        ))}
      </ul>
      {friends.data && open.length === 0 && invited.length === 0 && (
        <p className="text-faint text-sm">{t("rooms.nobody_to_invite")}</p>
      )}
      <More list={friends} size="s" look="ghost" className="mt-2" />
    </section>
  );
}
