import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { type CSSProperties, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { usePrefs } from "@/lib/prefs";
import { useLine } from "@/realtime/socket";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";
import { Pinned, Thread, Told } from "./beside";
import { ChatSettings } from "./ChatSettings";
import { Composer, type Target } from "./Composer";
import { Line, type LineActions, PendingLine } from "./Line";
import { countAfter, type Pending } from "./room";
import type { ChatRoom } from "./useChat";
import { Warning } from "./Warning";

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
  const isKeeper = me !== null && (me.role !== "user" || me.username === username);
  const [target, setTarget] = useState<Target | null>(null);
  const [threadId, setThreadId] = useState<string | null>(null);
  const size = usePrefs((prefs) => prefs.chatSize);
  const release = useCallback(() => setTarget(null), []);
  return (
    <section
      aria-label={t("chat.title")}
      data-testid="chat"
      data-joined={room.isJoined}
      className={cx("flex min-h-0 flex-col bg-surface", className)}
      style={{ "--chat-size": `${size}px` } as CSSProperties}
    >
      <header className="flex h-12 shrink-0 items-center gap-3 border-line border-b px-4 lg:pr-12">
        <h2 className="mr-auto font-bold text-[15px]">{t("chat.title")}</h2>
        {!room.isJoined && (
          <span role="status" className="text-faint text-xs">
            {line === "down" ? t("chat.reconnecting") : t("chat.connecting")}
          </span>
        )}
        <ChatSettings />
      </header>
      {room.pinned && (
        <Pinned message={room.pinned} onUnpin={isKeeper ? () => void room.pin(null) : undefined} />
      )}
      <Lines
        room={room}
        isKeeper={isKeeper}
        myName={me?.username ?? null}
        myId={me?.id ?? null}
        onTarget={setTarget}
        onThread={setThreadId}
      />
      {room.warning !== null && <Warning reason={room.warning} onRead={room.readWarning} />}
      {room.command && <Told command={room.command} onDismiss={room.dismissCommand} />}
      <Composer room={room} username={username} target={target} onTarget={setTarget} onRelease={release} />
      <Thread id={threadId} onClose={() => setThreadId(null)} />
    </section>
  );
}

function Lines({
  room,
  isKeeper,
  myName,
  myId,
  onTarget,
  onThread,
}: {
  room: ChatRoom;
  isKeeper: boolean;
  myName: string | null;
  myId: string | null;
  onTarget: (target: Target) => void;
  onThread: (id: string) => void;
}) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const { lines, pending } = room;
  const rowAt = useCallback(
    (index: number): Row | undefined => {
      const message = lines[index];
      // A line of one's own keeps its place when it turns from pending into stored.
      if (message) {
        const isMine = message.client_id && message.user.id === myId;
        return { key: (isMine && message.client_id) || message.id, message };
      }
      const own = pending[index - lines.length];
      return own && { key: own.clientId, pending: own };
    },
    [lines, pending, myId],
  );
  const count = lines.length + pending.length;
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => 30,
    getItemKey: useCallback((index: number) => rowAt(index)?.key ?? index, [rowAt]),
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
  const { remove, react, pin } = room;
  const isIn = myId !== null && room.isJoined;
  const actions = useMemo(() => {
    const tell = (error: unknown) => toast({ kind: "error", title: errorText(t, error) });
    const common: LineActions = {
      onThread,
      ...(isIn && {
        onReply: (message) => onTarget({ kind: "reply", message }),
        onReact: (id, emoji, on) => void react(id, emoji, on).catch(tell),
      }),
    };
    const onRemove = (id: string) => void remove(id).catch(tell);
    const keeper: LineActions = { ...common, onRemove, onPin: (id) => void pin(id).catch(tell) };
    const onEdit = (message: ChatMessage) => onTarget({ kind: "edit", message });
    return {
      others: isKeeper && isIn ? keeper : common,
      mine: isIn ? { ...(isKeeper ? keeper : common), onRemove, onEdit } : common,
    };
  }, [remove, react, pin, isIn, isKeeper, onTarget, onThread, t]);

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
        {count === 0 && (
          <p className="px-4 py-5 text-faint text-sm">{room.isJoined ? t("chat.empty") : ""}</p>
        )}
        <div style={{ height: virtual.getTotalSize() }} className="relative w-full">
          {virtual.getVirtualItems().map((item) => {
            const row = rowAt(item.index);
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
                    actions={row.message.user.id === myId ? actions.mine : actions.others}
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
