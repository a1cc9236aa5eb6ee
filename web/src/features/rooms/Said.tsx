import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { RoomMessage } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { day } from "@/lib/time";
import { Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Bubble } from "./Bubble";
import { placed } from "./talk";

/** This near to its end a list is read to its end, and stays there. */
const NEAR_PX = 80;

export type SaidProps = {
  items: RoomMessage[];
  me: string;
  isLoading: boolean;
  hasOlder: boolean;
  keepsOrder: boolean;
  isGroup: boolean;
  mayWrite: boolean;
  onOlder: () => Promise<void>;
  onAnswer: (message: RoomMessage) => void;
  onEdit: (message: RoomMessage) => void;
  onRemove: (id: string) => void;
  onReact: (id: string, emoji: string, on: boolean) => void;
  /** What waits to be stored, and a word that changes with it. */
  children: ReactNode[];
  waiting: string;
  /** A message to be brought into sight. */
  sought?: string | undefined;
};

/** Everything that was said, the latest in sight unless one has scrolled away from it. */
export function Said({ items, isLoading, hasOlder, onOlder, children, waiting, sought, ...rest }: SaidProps) {
  const { t } = useTranslation();
  const lang = useLang();
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [isBusy, setBusy] = useState(false);
  const last = items.at(-1)?.id;
  const lastMine = items.at(-1)?.user.id === rest.me;
  useLayoutEffect(() => {
    if (!box.current) return;
    if (isAtEnd.current || lastMine || waiting) box.current.scrollTop = box.current.scrollHeight;
  }, [last, lastMine, waiting]);
  // The end stays in sight while what is said, or the room for it, changes its size.
  useEffect(() => {
    const element = box.current;
    const list = element?.querySelector("ol");
    if (!element || !list) return;
    const sizes = new ResizeObserver(() => {
      if (isAtEnd.current) element.scrollTop = element.scrollHeight;
    });
    sizes.observe(element);
    sizes.observe(list);
    return () => sizes.disconnect();
  }, []);
  // Once: who scrolls on from there is not brought back.
  const isThere = sought !== undefined && items.some((item) => item.id === sought);
  useLayoutEffect(() => {
    if (!isThere) return;
    const line = box.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(sought)}"]`);
    isAtEnd.current = false;
    line?.scrollIntoView({ block: "center" });
    line?.focus({ preventScroll: true });
  }, [isThere, sought]);
  const showOlder = async () => {
    const element = box.current;
    const below = element ? element.scrollHeight - element.scrollTop : 0;
    setBusy(true);
    await onOlder();
    setBusy(false);
    // What was in sight stays in sight.
    requestAnimationFrame(() => {
      if (element) element.scrollTop = element.scrollHeight - below;
    });
  };
  return (
    <div
      ref={box}
      className="min-h-0 flex-1 overflow-y-auto overflow-x-hidden px-3 py-4 sm:px-5"
      onScroll={({ currentTarget: at }) => {
        isAtEnd.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PX;
      }}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, by keyboard too
      tabIndex={0}
      role="log"
      aria-label={t("rooms.said")}
      aria-busy={isLoading}
    >
      {isLoading && (
        <div className="flex flex-col gap-3">
          <Skeleton className="h-12 w-1/2" />
          <Skeleton className="h-12 w-2/5 self-end" />
          <Skeleton className="h-12 w-3/5" />
        </div>
      )}
      {hasOlder && (
        <div className="mb-4 flex justify-center">
          <Button size="s" isBusy={isBusy} onClick={() => void showOlder()} data-testid="older">
            {t("rooms.older")}
          </Button>
        </div>
      )}
      {!isLoading && items.length === 0 && children.length === 0 && (
        <p className="py-10 text-center text-faint" data-testid="nothing-said">
          {t("rooms.nothing_said")}
        </p>
      )}
      <ol className="flex flex-col">
        {placed(items).map(({ message, isNewDay, isFirst }) => (
          <Bubble
            key={message.id}
            message={message}
            isFirst={isFirst}
            isSought={message.id === sought}
            day={isNewDay ? day(message.sent_at, lang) : null}
            {...rest}
          />
        ))}
        {children}
      </ol>
    </div>
  );
}
