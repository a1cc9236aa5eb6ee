import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { useLine } from "@/realtime/socket";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";
import { Composer } from "./Composer";
import { Line, PendingLine } from "./Line";
import { countAfter, type Pending } from "./room";
import type { ChatRoom } from "./useChat";

/** Closer to the end than this counts as being there. */
const END_PX = 64;
const OLDER_PX = 120;

type Row = { key: string; message: ChatMessage } | { key: string; pending: Pending };

export function Chat({
  room,
  username,
  className,
}: {
  room: ChatRoom;
  username: string;
  className?: string;
}) {
  const { t } = useTranslation();
  const me = useSession((session) => session.user);
  const line = useLine((state) => state.state);
  const canDelete = me !== null && (me.role !== "user" || me.username === username);
  return (
    <section
      aria-label={t("chat.title")}
      data-testid="chat"
      data-joined={room.isJoined}
      className={cx("flex min-h-0 flex-col bg-surface", className)}
    >
      <header className="flex h-12 shrink-0 items-center justify-between gap-3 border-line border-b px-4">
        <h2 className="font-bold text-[15px]">{t("chat.title")}</h2>
        {!room.isJoined && (
          <span role="status" className="text-faint text-xs">
            {line === "down" ? t("chat.reconnecting") : t("chat.connecting")}
          </span>
        )}
      </header>
      <Lines room={room} canDelete={canDelete} myName={me?.username ?? null} myId={me?.id ?? null} />
      <Composer room={room} username={username} />
    </section>
  );
}

function Lines({
  room,
  canDelete,
  myName,
  myId,
}: {
  room: ChatRoom;
  canDelete: boolean;
  myName: string | null;
  myId: string | null;
}) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo<Row[]>(
    () => [
      // A line of one's own keeps its place when it turns from pending into stored.
      ...room.lines.map((message) => ({
        key: message.client_id && message.user.id === myId ? message.client_id : message.id,
        message,
      })),
      ...room.pending.map((pending) => ({ key: pending.clientId, pending })),
    ],
    [room.lines, room.pending, myId],
  );
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 30,
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    overscan: 12,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: END_PX,
    paddingStart: 10,
    paddingEnd: 10,
  });

  const [isAtEnd, setAtEnd] = useState(true);
  const [seenId, setSeenId] = useState("");
  const newestId = room.lines.at(-1)?.id ?? "";
  useEffect(() => {
    if (isAtEnd) setSeenId(newestId);
  }, [isAtEnd, newestId]);
  const unread = isAtEnd ? 0 : countAfter(room.lines, seenId);

  const toEnd = useCallback(() => {
    virtual.scrollToEnd();
    setAtEnd(true);
  }, [virtual]);

  // One's own words are always followed.
  const pendingCount = room.pending.length;
  const lastCount = useRef(pendingCount);
  useEffect(() => {
    if (pendingCount > lastCount.current) toEnd();
    lastCount.current = pendingCount;
  }, [pendingCount, toEnd]);

  const onScroll = () => {
    const box = scroller.current;
    if (!box) return;
    setAtEnd(box.scrollHeight - box.scrollTop - box.clientHeight < END_PX);
    if (box.scrollTop < OLDER_PX) void room.loadOlder();
  };
  const remove = useCallback(
    (id: string) => room.remove(id).catch((error) => toast({ kind: "error", title: errorText(t, error) })),
    [room.remove, t],
  );

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={t("chat.log")}
        data-testid="chat-messages"
        className="absolute inset-0 overflow-y-auto overflow-x-hidden overscroll-contain [overflow-anchor:none]"
      >
        {rows.length === 0 && (
          <p className="px-4 py-5 text-faint text-sm">{room.isJoined ? t("chat.empty") : ""}</p>
        )}
        <div style={{ height: virtual.getTotalSize() }} className="relative w-full">
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            return (
              <div
                key={item.key}
                ref={virtual.measureElement}
                data-index={item.index}
                className="absolute top-0 left-0 w-full"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {"message" in row ? (
                  <Line
                    message={row.message}
                    myName={myName}
                    onRemove={canDelete && !row.message.deleted ? remove : undefined}
                  />
                ) : (
                  <PendingLine pending={row.pending} onRetry={room.retry} onDiscard={room.discard} />
                )}
              </div>
            );
          })}
        </div>
      </div>
      {!isAtEnd && (
        <Button
          look="solid"
          size="s"
          onClick={toEnd}
          data-testid="chat-new"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-m"
        >
          <ArrowDown />
          {unread > 0 ? t("chat.new", { count: unread }) : t("chat.to_newest")}
        </Button>
      )}
    </div>
  );
}
