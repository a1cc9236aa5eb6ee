import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { AppWindow, ArrowDown, ShieldCheck } from "lucide-react";
import { type CSSProperties, lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { channelEmotes, noEmotes, OwnEmotes } from "@/features/emotes/emotes";
import { useActs } from "@/features/moderation/useActs";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { usePrefs } from "@/lib/prefs";
import { useLine } from "@/realtime/socket";
import { Button, buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";
import { AsidesOf, type Pressed, useAsides } from "./Asides";
import { Away } from "./Away";
import { Pinned, Thread, Told } from "./beside";
import { ChatSettings } from "./ChatSettings";
import { Composer, type Target } from "./Composer";
import { Line, type LineActions, PendingLine } from "./Line";
import { popOut, useIsPoppedOut } from "./popout";
import { countAfter, type Pending } from "./room";
import type { ChatRoom } from "./useChat";
import { useChosenLine } from "./useChosenLine";
import { Warning } from "./Warning";

const loadModMenu = () => import("@/features/moderation/ModMenu");
const ModMenu = lazy(() => loadModMenu().then(({ ModMenu }) => ({ default: ModMenu })));

/** Closer to the end than this counts as being there. */
const END_PX = 64;
const OLDER_PX = 120;
/** So many heights of lines that are gone are kept before they are forgotten. */
const HEIGHTS_SPARE = 2_000;

type Row = { key: string; message: ChatMessage } | { key: string; pending: Pending };

export function Chat({
  room,
  username,
  className,
  isDesk = false,
  window: alone,
  link,
}: {
  room: ChatRoom;
  username: string;
  className?: string;
  /** It stands on the moderators' page. */
  isDesk?: boolean;
  /** It is alone in a window: what that is called, and how large its text is where the address says so. */
  window?: { heading: string; fontPx?: number };
  /** The id of the unlisted stream it belongs to. */
  link?: string;
}) {
  const { t } = useTranslation();
  const me = useSession((session) => session.user);
  const line = useLine((state) => state.state);
  const isKeeper = me !== null && room.isModerator;
  const [target, setTarget] = useState<Target | null>(null);
  const [threadId, setThreadId] = useState<string | null>(null);
  const chosenSize = usePrefs((prefs) => prefs.chatSize);
  const size = alone?.fontPx ?? chosenSize;
  const release = useCallback(() => setTarget(null), []);
  const own = useQuery(channelEmotes(username)).data?.items ?? noEmotes;
  const isAway = useIsPoppedOut(username) && !alone;
  if (isAway && !isDesk) return <Away username={username} className={className} />;
  const Heading = alone ? "h1" : "h2";
  return (
    <OwnEmotes value={own}>
      <section
        aria-label={t("chat.title")}
        data-testid="chat"
        data-joined={room.isJoined}
        className={cx("flex min-h-0 flex-col bg-surface", className)}
        style={{ "--chat-size": `${size}px` } as CSSProperties}
      >
        <header
          className={cx(
            "flex h-12 shrink-0 items-center gap-3 border-line border-b px-4",
            !isDesk && !alone && "lg:pr-12",
          )}
        >
          <Heading className="mr-auto min-w-0 truncate font-bold text-[15px]">
            {alone?.heading ?? t("chat.title")}
          </Heading>
          {!room.isJoined && (
            <span role="status" className="text-faint text-xs">
              {line === "down" ? t("chat.reconnecting") : t("chat.connecting")}
            </span>
          )}
          {isKeeper && !isDesk && (
            <Link
              to="/mod/$username"
              params={{ username }}
              target={alone ? "_blank" : undefined}
              className={buttonClass("ghost", "icon-s")}
              aria-label={t("mod.open")}
              title={t("mod.open")}
              data-testid="mod-open"
            >
              <ShieldCheck />
            </Link>
          )}
          {!alone && !isDesk && (
            <Button
              look="ghost"
              size="icon-s"
              onClick={() => {
                if (!popOut(username, link)) toast({ kind: "error", title: t("chat.popout_blocked") });
              }}
              aria-label={t("chat.popout")}
              title={t("chat.popout")}
              data-testid="chat-popout"
              className="max-sm:hidden"
            >
              <AppWindow />
            </Button>
          )}
          <ChatSettings />
        </header>
        {room.pinned && (
          <Pinned message={room.pinned} onUnpin={isKeeper ? () => void room.pin(null) : undefined} />
        )}
        <Lines
          room={room}
          username={username}
          isKeeper={isKeeper}
          isDesk={isDesk}
          isAlone={alone !== undefined}
          myName={me?.username ?? null}
          myId={me?.id ?? null}
          onTarget={setTarget}
          onThread={setThreadId}
        />
        {room.warning !== null && <Warning reason={room.warning} onRead={room.readWarning} />}
        {room.command && <Told command={room.command} channel={username} onDismiss={room.dismissCommand} />}
        <Composer room={room} username={username} target={target} onTarget={setTarget} onRelease={release} />
        <Thread
          id={threadId}
          channel={username}
          mayReport={me !== null && room.isJoined}
          isElsewhere={alone !== undefined}
          onClose={() => setThreadId(null)}
        />
      </section>
    </OwnEmotes>
  );
}

function Lines({
  room,
  username,
  isKeeper,
  isDesk,
  isAlone,
  myName,
  myId,
  onTarget,
  onThread,
}: {
  room: ChatRoom;
  username: string;
  isKeeper: boolean;
  isDesk: boolean;
  isAlone: boolean;
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
  const [moderated, setModerated] = useState<Pressed | null>(null);
  const asides = useAsides();
  const { onAuthor, onReport } = asides;
  const holdsOnHover = usePrefs((prefs) => prefs.isChatHeld) || isDesk;
  const [isHeld, setHeld] = useState(false);
  // A line that is about to be acted on does not move away.
  const isPaused = ((isKeeper || holdsOnHover) && isHeld) || moderated !== null || asides.carded !== null;
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => 30,
    getItemKey: useCallback((index: number) => rowAt(index)?.key ?? index, [rowAt]),
    overscan: 12,
    anchorTo: "end",
    followOnAppend: !isPaused,
    scrollEndThreshold: END_PX,
    paddingStart: 10,
    paddingEnd: 10,
  });

  // The list remembers how high each line is that it ever drew, also of those that are gone.
  useEffect(() => {
    const heights = virtual.itemSizeCache;
    if (heights.size <= count + HEIGHTS_SPARE) return;
    const kept = new Set(Array.from({ length: count }, (_, index) => rowAt(index)?.key));
    for (const key of heights.keys()) if (!kept.has(String(key))) heights.delete(key);
  }, [virtual, count, rowAt]);

  const [isAtEnd, setAtEnd] = useState(true);
  const [seenId, setSeenId] = useState("");
  const newestId = room.lines.at(-1)?.id ?? "";
  useEffect(() => {
    if (isAtEnd && !isPaused) setSeenId(newestId);
  }, [isAtEnd, isPaused, newestId]);
  const isReading = !isAtEnd || isPaused;
  const unread = isReading ? countAfter(room.lines, seenId) : 0;

  const toEnd = useCallback(() => {
    virtual.scrollToEnd();
    setAtEnd(true);
  }, [virtual]);

  const wasPaused = useRef(false);
  useEffect(() => {
    if (wasPaused.current && !isPaused && isAtEnd) virtual.scrollToEnd();
    wasPaused.current = isPaused;
  }, [isPaused, isAtEnd, virtual]);

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
  const { act } = useActs(username);
  const isIn = myId !== null && room.isJoined;
  const actions = useMemo(() => {
    const tell = (error: unknown) => toast({ kind: "error", title: errorText(t, error) });
    const common: LineActions = {
      onThread,
      onAuthor,
      ...(isIn && {
        onReply: (message) => onTarget({ kind: "reply", message }),
        onReact: (id, emoji, on) => void react(id, emoji, on).catch(tell),
      }),
    };
    const viewer: LineActions = {
      ...common,
      ...(isIn && { onReport }),
    };
    const onRemove = (id: string) => void remove(id).catch(tell);
    const keeper: LineActions = {
      ...common,
      onRemove: (id) => void act({ action: "delete", message_id: id }),
      onPin: (id) => void pin(id).catch(tell),
      onModerate: (message, anchor) => setModerated({ message, anchor }),
    };
    const onEdit = (message: ChatMessage) => onTarget({ kind: "edit", message });
    return {
      others: isKeeper && isIn ? keeper : viewer,
      // Nobody needs to keep order among their own words.
      mine: isIn
        ? { ...(isKeeper ? { ...keeper, onModerate: undefined } : common), onRemove, onEdit }
        : common,
    };
  }, [remove, act, react, pin, isIn, isKeeper, onAuthor, onReport, onTarget, onThread, t]);
  const actionsOf = (message: ChatMessage) => (message.user.id === myId ? actions.mine : actions.others);
  const chosen = useChosenLine({ scroller, virtual, lines, isOn: isKeeper && isIn, actionsOf });
  useEffect(() => {
    if (isKeeper) void loadModMenu();
  }, [isKeeper]);

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={onScroll}
        onKeyDown={chosen.onKeyDown}
        onPointerEnter={(event) => setHeld(holdsOnHover && event.pointerType === "mouse")}
        onPointerLeave={() => setHeld(false)}
        onFocus={({ target, currentTarget }) =>
          setHeld(target !== currentTarget && target.matches(":focus-visible"))
        }
        onBlur={() => setHeld(false)}
        aria-description={isKeeper ? t("mod.keys") : undefined}
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
                tabIndex={isKeeper ? -1 : undefined}
                className="group/row absolute top-0 left-0 w-full focus-visible:z-[1] focus-visible:outline-offset-[-2px]"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {"message" in row ? (
                  <Line message={row.message} myName={myName} actions={actionsOf(row.message)} />
                ) : (
                  <PendingLine pending={row.pending} onRetry={room.retry} onDiscard={room.discard} />
                )}
              </div>
            );
          })}
        </div>
      </div>
      {moderated && (
        <Suspense>
          <ModMenu
            channel={username}
            message={moderated.message}
            anchor={moderated.anchor}
            onClose={() => setModerated(null)}
          />
        </Suspense>
      )}
      <AsidesOf
        asides={asides}
        channel={username}
        mayReport={isIn}
        isElsewhere={isAlone}
        onModerate={(pressed) => actionsOf(pressed.message).onModerate && (() => setModerated(pressed))}
      />
      {(!isAtEnd || unread > 0) && (
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
