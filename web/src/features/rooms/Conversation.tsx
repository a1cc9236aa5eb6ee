import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { ArrowLeft, Paperclip, RotateCw, Users, X } from "lucide-react";
import { type DragEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Room, RoomMessage } from "@/api/types";
import { usePresenceText, WithPresence } from "@/features/presence/Presence";
import { usePresence } from "@/features/presence/usePresence";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { ask, getSocket, useLine } from "@/realtime/socket";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";
import { useAttaching } from "./attach/useAttaching";
import { Composer } from "./Composer";
import { GroupDialog } from "./GroupDialog";
import { Past } from "./Past";
import { ROOMS, roomName, roomOf } from "./rooms";
import { Said } from "./Said";
import { useTalk } from "./useTalk";

/** One conversation: who it is with, what was said, and the line to say more. */
export function Conversation({ id, me }: { id: string; me: string }) {
  const { t } = useTranslation();
  const found = useQuery(roomOf(id));
  // Once somebody is shown out there is nothing to look at any more.
  if (found.isError && (!found.data || (found.error as { status?: number }).status === 404))
    return (
      <div className="flex flex-col items-start gap-4 p-5">
        <div className="w-full">
          <ErrorState error={found.error} onRetry={() => void found.refetch()} />
        </div>
        <Link to="/messages" className={buttonClass("soft", "s")}>
          <ArrowLeft />
          {t("rooms.back")}
        </Link>
      </div>
    );
  if (!found.data)
    return (
      <div className="flex flex-1 flex-col gap-3 p-5" aria-busy="true">
        <Skeleton className="h-10 w-52" />
        <Skeleton className="flex-1" />
      </div>
    );
  return <Open room={found.data} me={me} />;
}

function Open({ room, me }: { room: Room; me: string }) {
  const { t } = useTranslation();
  const { talk, drafts, typing, send, forget, edit, remove, react, older, typed } = useTalk(room.id, me);
  const attaching = useAttaching(room.id, room.refusal ? null : (room.attachments ?? null));
  const drop = useDrop(attaching.take, !room.refusal);
  const [answering, setAnswering] = useState<RoomMessage | null>(null);
  const [editing, setEditing] = useState<RoomMessage | null>(null);
  const name = roomName(room, t("rooms.gone_member"));
  const items = talk.data?.items ?? [];
  const { at: sought } = useSearch({ strict: false });
  const isPast = sought !== undefined && talk.data !== undefined && !items.some(({ id }) => id === sought);
  // Further back nothing new is in sight.
  const otherRead = useMarkers(room, isPast ? [] : items, me);
  const isGroup = room.kind === "group";
  const mine = items.findLast((item) => item.user.id === me)?.id;
  const isSeen = !isGroup && mine !== undefined && mine === items.at(-1)?.id && (otherRead ?? "") >= mine;
  const refuse = (error: unknown) => {
    toast({ kind: "error", title: errorText(t, error) });
  };
  const status =
    typing.length > 1
      ? t("rooms.typing_some")
      : typing[0] !== undefined
        ? t("rooms.typing", { name: typing[0] })
        : isSeen && drafts.length === 0
          ? t("rooms.seen")
          : "";
  const mayWrite = !room.refusal;
  if (isPast)
    return (
      <section
        aria-label={t("rooms.with", { name })}
        className="flex min-h-0 flex-1 flex-col"
        data-testid="conversation"
      >
        <Head room={room} name={name} me={me} />
        <Past key={sought} room={room} me={me} at={sought} />
      </section>
    );
  return (
    <section
      aria-label={t("rooms.with", { name })}
      className={cx("flex min-h-0 flex-1 flex-col", drop.isOver && "ring-2 ring-melt ring-inset")}
      data-testid="conversation"
      {...drop.handlers}
    >
      <Head room={room} name={name} me={me} />
      {talk.isError && !talk.data ? (
        <div className="flex-1 p-5">
          <ErrorState error={talk.error} onRetry={() => void talk.refetch()} />
        </div>
      ) : (
        <Said
          items={items}
          me={me}
          isLoading={talk.data === undefined}
          hasOlder={talk.data?.hasOlder ?? false}
          keepsOrder={room.role !== "member"}
          isGroup={isGroup}
          mayWrite={mayWrite}
          sought={sought}
          waiting={drafts.map((draft) => `${draft.client_id} ${draft.error !== null}`).join()}
          onOlder={() => older().catch(refuse)}
          onAnswer={(message) => {
            setEditing(null);
            setAnswering(message);
          }}
          onEdit={(message) => {
            setAnswering(null);
            setEditing(message);
          }}
          onRemove={(message) => void remove(message).catch(refuse)}
          onReact={(message, emoji, on) => void react(message, emoji, on).catch(refuse)}
        >
          {drafts.map((draft) => (
            <li
              key={draft.client_id}
              className="mt-1 flex flex-col items-end gap-1"
              data-testid="draft"
              aria-busy={draft.error === null}
            >
              <p className="max-w-[85%] rounded-lg border border-line border-dashed bg-raised px-3.5 py-2 text-soft [overflow-wrap:anywhere] sm:max-w-[70%]">
                {draft.attachment && (
                  <span className="flex items-center gap-1.5 text-sm">
                    <Paperclip className="size-4 shrink-0" />
                    {draft.attachment.name}
                  </span>
                )}
                {draft.text}
              </p>
              {draft.error !== null && (
                <div
                  role="alert"
                  className="flex flex-wrap items-center justify-end gap-1.5 text-danger text-sm"
                >
                  {errorText(t, draft.error)}
                  <Button size="s" look="ghost" onClick={() => void send(draft)}>
                    <RotateCw />
                    {t("actions.retry")}
                  </Button>
                  <Button
                    size="icon-s"
                    look="ghost"
                    aria-label={t("rooms.discard")}
                    onClick={() => forget(draft.client_id)}
                  >
                    <X />
                  </Button>
                </div>
              )}
            </li>
          ))}
        </Said>
      )}
      <p
        className="h-6 shrink-0 truncate px-5 text-faint text-sm"
        aria-live="polite"
        data-testid="room-status"
      >
        {status}
      </p>
      <Composer
        key={editing?.id ?? "new"}
        room={room}
        name={name}
        attaching={attaching}
        answering={answering}
        editing={editing}
        onLeave={() => {
          setAnswering(null);
          setEditing(null);
        }}
        onSend={async (text, attachment) => {
          if (editing) {
            await edit(editing.id, text);
            setEditing(null);
            return;
          }
          setAnswering(null);
          void send({ text, reply_to: answering ?? undefined, attachment });
        }}
        onTyped={typed}
      />
    </section>
  );
}

/** A file let go over the conversation goes out with the next message. */
function useDrop(take: (files: File[]) => void, isOn: boolean) {
  const [isOver, setOver] = useState(false);
  const hasFiles = (event: DragEvent) => isOn && event.dataTransfer.types.includes("Files");
  return {
    isOver,
    handlers: {
      onDragOver: (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      },
      onDrop: (event: DragEvent) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(false);
        take([...event.dataTransfer.files]);
      },
    },
  };
}

function Head({ room, name, me }: { room: Room; name: string; me: string }) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const other = room.with?.is_active ? room.with : null;
  const presence = usePresence(other?.id, other?.presence);
  const said = usePresenceText(presence);
  const face = (
    <>
      <WithPresence presence={presence} isSaid>
        <Avatar name={name} username={other?.username ?? room.id} url={other?.avatar_url} size={38} />
      </WithPresence>
      <span className="min-w-0 text-left">
        <span className="block truncate font-semibold">{name}</span>
        <span className="block truncate text-faint text-sm" data-testid="room-note">
          {room.kind === "group"
            ? t("rooms.members_count", { count: room.members_count })
            : other && [t("channel.handle", { username: other.username }), said].filter(Boolean).join(" · ")}
        </span>
      </span>
    </>
  );
  const place = "flex min-w-0 flex-1 items-center gap-3 rounded-sm";
  return (
    <header className="flex h-16 shrink-0 items-center gap-2 border-line border-b bg-surface px-3 sm:px-5">
      <Link
        to="/messages"
        aria-label={t("rooms.back")}
        className="grid size-9 shrink-0 place-items-center rounded-md text-soft hover:bg-raised md:hidden"
      >
        <ArrowLeft className="size-5" />
      </Link>
      {other ? (
        <Link to="/c/$username" params={{ username: other.username }} className={place}>
          {face}
        </Link>
      ) : (
        <span className={place}>{face}</span>
      )}
      {room.kind === "group" && (
        <>
          <Button
            size="icon"
            look="ghost"
            onClick={() => setOpen(true)}
            aria-label={t("rooms.group")}
            data-testid="room-group"
          >
            <Users />
          </Button>
          {isOpen && <GroupDialog room={room} me={me} onClose={() => setOpen(false)} />}
        </>
      )}
    </header>
  );
}

/** Moves one's own marker when the newest message is in sight, and hears how far the other has read. */
function useMarkers(room: Room, items: RoomMessage[], me: string): string | null {
  const client = useQueryClient();
  const isUp = useLine((line) => line.state === "up");
  const newest = items.findLast((item) => item.user.id !== me)?.id;
  const isNews = isUp && newest !== undefined && (!room.read_id || newest > room.read_id);
  useEffect(() => {
    if (!isNews) return;
    const read = () => {
      if (document.visibilityState !== "visible") return;
      void ask("room:read", { room_id: room.id, id: newest })
        .then(() => client.invalidateQueries({ queryKey: ROOMS }))
        .catch(() => undefined);
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [client, isNews, newest, room.id]);
  const [heard, setHeard] = useState<string | null>(null);
  useEffect(() => {
    const socket = getSocket();
    const onRead = (event: { room_id: string; user_id: string; id: string }) => {
      if (event.room_id === room.id && event.user_id !== me) setHeard(event.id);
    };
    socket.on("room:read", onRead);
    return () => {
      socket.off("room:read", onRead);
    };
  }, [room.id, me]);
  const known = room.other_read_id ?? null;
  return heard && (!known || heard > known) ? heard : known;
}
