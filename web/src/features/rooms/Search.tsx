import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Search as Glass, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { create } from "zustand";
import type { RoomMessage } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { useSettled } from "@/lib/useSettled";
import { ask, useLine } from "@/realtime/socket";
import { ErrorState, Skeleton } from "@/ui/bits";
import { inputClass } from "@/ui/field";
import { More } from "@/ui/more";
import { isEnough, parts, SOUGHT_MAX } from "./found";
import { roomName, roomOf } from "./rooms";

const PAGE = 20;
/** Somebody who types does not ask at each letter. */
const TYPED_MS = 300;

/** What is looked for stays while conversations are opened from what was found. */
const useSought = create<{ q: string }>(() => ({ q: "" }));

/** Whether something is being looked for, instead of the list of rooms. */
export const useIsSearching = (): boolean => useSought(({ q }) => isEnough(q));

export function SearchField() {
  const { t } = useTranslation();
  const q = useSought((sought) => sought.q);
  const set = (next: string) => useSought.setState({ q: next });
  return (
    <search className="relative block px-4 pb-3">
      <Glass aria-hidden="true" className="absolute top-3.5 left-7 size-4 text-faint" />
      <input
        type="search"
        value={q}
        maxLength={SOUGHT_MAX}
        onChange={(event) => set(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && set("")}
        placeholder={t("rooms.search")}
        aria-label={t("rooms.search")}
        data-testid="room-search"
        className={cx(inputClass, "pr-10 pl-9 [&::-webkit-search-cancel-button]:hidden")}
      />
      {q && (
        <button
          type="button"
          onClick={() => set("")}
          aria-label={t("rooms.search_end")}
          className="absolute top-1.5 right-6 grid size-8 place-items-center rounded-sm text-soft hover:bg-raised"
        >
          <X className="size-4" />
        </button>
      )}
    </search>
  );
}

/** What was found in all of one's rooms, the latest first. */
export function Found({ open }: { open: string | undefined }) {
  const { t } = useTranslation();
  const q = useSettled(useSought((sought) => sought.q).trim(), TYPED_MS);
  const isUp = useLine((line) => line.state === "up");
  const found = useInfiniteQuery({
    queryKey: ["room-search", q],
    queryFn: ({ pageParam }) =>
      ask("room:search", { q, limit: PAGE, ...(pageParam ? { before: pageParam } : {}) }),
    initialPageParam: null as string | null,
    getNextPageParam: (page: { next: string | null }) => page.next,
    enabled: isUp && isEnough(q),
    staleTime: 10_000,
    retry: false,
  });
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  const counted =
    items.length === 0
      ? t("rooms.found_none")
      : t(found.hasNextPage ? "rooms.found_more" : "rooms.found_count", { count: items.length });
  return (
    <section
      aria-label={t("rooms.found")}
      aria-busy={found.isFetching}
      className="min-h-0 flex-1 overflow-y-auto px-2 pb-4"
      data-testid="found"
    >
      <p role="status" className={cx("px-3 pb-2 text-soft", items.length > 0 && "sr-only")}>
        {!isUp && !found.data ? t("rooms.search_offline") : found.data && counted}
      </p>
      {found.isPending && isUp && (
        <div className="flex flex-col gap-2 px-2">
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
        </div>
      )}
      {found.isError && !found.data && (
        <div className="px-2">
          <ErrorState error={found.error} onRetry={() => void found.refetch()} />
        </div>
      )}
      <ul className="flex flex-col gap-0.5">
        {items.map((message) => (
          <li key={message.id}>
            <Hit message={message} q={q} isOpen={message.room_id === open} />
          </li>
        ))}
      </ul>
      <More list={found} size="s" className="mt-3 flex justify-center" />
    </section>
  );
}

function Hit({ message, q, isOpen }: { message: RoomMessage; q: string; isOpen: boolean }) {
  const { t } = useTranslation();
  const lang = useLang();
  const room = useQuery({ ...roomOf(message.room_id), staleTime: 60_000 });
  const somebody = t("rooms.gone_member");
  return (
    <Link
      to="/messages/$room"
      params={{ room: message.room_id }}
      search={{ at: message.id }}
      data-testid="hit"
      data-id={message.id}
      className={cx("block rounded-md px-3 py-2.5 hover:bg-raised", isOpen && "bg-raised")}
    >
      <span className="flex items-baseline gap-2">
        <span className="min-w-0 flex-1 truncate font-semibold">
          {room.data ? roomName(room.data, somebody) : "…"}
        </span>
        <span className="shrink-0 text-faint text-xs">{ago(message.sent_at, lang)}</span>
      </span>
      <span className="line-clamp-3 text-soft text-sm [overflow-wrap:anywhere]">
        <span className="text-faint">{message.user.display_name ?? somebody}: </span>
        {message.attachment && <span className="text-faint">{message.attachment.name} </span>}
        {parts(message.text, q).map((part) =>
          part.isHit ? (
            <mark key={part.at} className="rounded-xs bg-melt-wash font-semibold text-text">
              {part.value}
            </mark>
          ) : (
            <span key={part.at}>{part.value}</span>
          ),
        )}
      </span>
    </Link>
  );
}
