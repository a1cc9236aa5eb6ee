import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Compass, House, MessageCircle, PanelLeftClose, PanelLeftOpen, Radio, Users } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { following, liveStreams } from "@/api/queries";
import { useSession } from "@/api/session";
import type { FollowedChannel } from "@/api/types";
import { incomingCount } from "@/features/friends/friends";
import { useUnreadRooms } from "@/features/rooms/rooms";
import { categoryName } from "@/i18n/categoryName";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { setRailNarrow, usePrefs } from "@/lib/prefs";
import { compact } from "@/lib/time";
import { useMedia } from "@/lib/useMedia";
import { Avatar } from "@/ui/avatar";

const RECOMMENDED_MAX = 6;

/** What the rail needs to know of a channel. */
type Listed = Pick<FollowedChannel, "username" | "display_name" | "avatar_url" | "live">;

/** Followed channels, live ones first; then what others watch. Icons only when narrow. */
export function Rail() {
  const { t } = useTranslation();
  const chosen = usePrefs((prefs) => prefs.isRailNarrow);
  const isSmall = useMedia("(max-width: 1100px)");
  const isNarrow = chosen || isSmall;
  const isSignedIn = useSession((session) => session.status === "signed-in");
  const followed = useQuery({ ...following(), enabled: isSignedIn });
  const asking = useQuery({ ...incomingCount(), enabled: isSignedIn });
  const unread = useUnreadRooms();
  const live = useQuery(liveStreams());
  const mine = sortLiveFirst(isSignedIn ? (followed.data?.items ?? []) : []);
  const known = new Set(mine.map((channel) => channel.username));
  const others: Listed[] = (live.data?.items ?? [])
    .filter((stream) => !known.has(stream.channel.username))
    .slice(0, RECOMMENDED_MAX)
    .map((stream) => ({ ...stream.channel, live: stream }));
  return (
    <nav
      aria-label={t("nav.main")}
      className={cx(
        "rail sticky top-[var(--header-h)] hidden h-[calc(100dvh-var(--header-h))] shrink-0 flex-col border-line border-r bg-surface md:flex",
        isNarrow ? "w-[var(--rail-narrow-w)]" : "w-[var(--rail-w)]",
      )}
    >
      <div className="flex min-h-0 flex-1 flex-col gap-5 overflow-y-auto overflow-x-hidden px-3 py-4">
        <ul className="flex flex-col gap-0.5">
          <Item to="/" icon={<House />} label={t("nav.home")} isNarrow={isNarrow} isExact />
          <Item to="/browse" icon={<Compass />} label={t("nav.browse")} isNarrow={isNarrow} />
          {isSignedIn && <Item to="/studio" icon={<Radio />} label={t("nav.studio")} isNarrow={isNarrow} />}
          {isSignedIn && (
            <Item
              to="/messages"
              icon={<MessageCircle />}
              label={t("rooms.title")}
              isNarrow={isNarrow}
              mark={unread > 0 ? t("rooms.waiting", { count: unread }) : undefined}
            />
          )}
          {isSignedIn && (
            <Item
              to="/friends"
              icon={<Users />}
              label={t("friends.title")}
              isNarrow={isNarrow}
              mark={asking.data ? t("friends.incoming_count", { count: asking.data }) : undefined}
            />
          )}
        </ul>
        <ChannelList title={t("nav.following")} channels={mine} isNarrow={isNarrow} testId="rail-following" />
        {isSignedIn && followed.data && mine.length === 0 && !isNarrow && (
          <p className="px-2.5 text-faint text-sm">{t("nav.following_empty")}</p>
        )}
        <ChannelList title={t("nav.recommended")} channels={others} isNarrow={isNarrow} />
      </div>
      {!isSmall && (
        <div className="border-line border-t p-3">
          <button
            type="button"
            onClick={() => setRailNarrow(!chosen)}
            className="flex h-9 w-full items-center gap-3 rounded-sm px-3 text-faint text-sm hover:bg-raised hover:text-text"
            aria-label={isNarrow ? t("nav.widen") : t("nav.narrow")}
          >
            {isNarrow ? (
              <PanelLeftOpen className="size-[18px]" />
            ) : (
              <PanelLeftClose className="size-[18px]" />
            )}
            {!isNarrow && t("nav.narrow")}
          </button>
        </div>
      )}
    </nav>
  );
}

/** Live channels first, most watched on top; then the others by name. */
export function sortLiveFirst<T extends Listed>(channels: T[]): T[] {
  return [...channels].sort((a, b) => {
    if (Boolean(a.live) !== Boolean(b.live)) return a.live ? -1 : 1;
    return (b.live?.viewers ?? 0) - (a.live?.viewers ?? 0) || a.display_name.localeCompare(b.display_name);
  });
}

function Item({
  to,
  icon,
  label,
  isNarrow,
  isExact = false,
  mark,
}: {
  to: "/" | "/browse" | "/studio" | "/friends" | "/messages";
  icon: ReactNode;
  label: string;
  isNarrow: boolean;
  isExact?: boolean;
  /** What waits there, in words; it is shown as a dot. */
  mark?: string;
}) {
  return (
    <li>
      <Link
        to={to}
        activeOptions={{ exact: isExact, includeSearch: false }}
        className={cx(
          "relative flex h-10 items-center gap-3.5 rounded-sm px-3 font-semibold text-[15px] text-soft hover:bg-raised hover:text-text data-[status=active]:bg-raised data-[status=active]:text-text [&_svg]:size-5 data-[status=active]:[&_svg]:text-melt",
          isNarrow && "justify-center px-0",
        )}
        title={isNarrow ? label : undefined}
      >
        {icon}
        <span className={isNarrow ? "sr-only" : undefined}>{label}</span>
        {mark && (
          <span
            className={cx("size-2.5 rounded-full bg-melt", isNarrow ? "absolute top-2 right-2" : "ml-auto")}
            data-testid="rail-mark"
          >
            <span className="sr-only">{mark}</span>
          </span>
        )}
      </Link>
    </li>
  );
}

function ChannelList({
  title,
  channels,
  isNarrow,
  testId,
}: {
  title: string;
  channels: Listed[];
  isNarrow: boolean;
  testId?: string;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  if (channels.length === 0) return null;
  return (
    <section data-testid={testId}>
      <h2 className={cx("mb-1.5 px-2.5 font-sans font-semibold text-faint text-xs", isNarrow && "sr-only")}>
        {title}
      </h2>
      <ul className="flex flex-col gap-0.5">
        {channels.map((channel) => (
          <li key={channel.username}>
            <Link
              to="/c/$username"
              params={{ username: channel.username }}
              title={isNarrow ? channel.display_name : undefined}
              className={cx(
                "flex items-center gap-3 rounded-sm px-2.5 py-1.5 hover:bg-raised data-[status=active]:bg-raised",
                isNarrow && "justify-center px-0",
              )}
            >
              <Avatar
                name={channel.display_name}
                username={channel.username}
                url={channel.avatar_url}
                size={32}
                isLive={Boolean(channel.live)}
                className={channel.live ? undefined : "opacity-70"}
              />
              <span className={cx("min-w-0 flex-1", isNarrow && "sr-only")}>
                <span className={cx("block truncate font-semibold text-sm", !channel.live && "text-soft")}>
                  {channel.display_name}
                </span>
                <span className="block truncate text-faint text-xs">
                  {channel.live
                    ? channel.live.category
                      ? categoryName(t, channel.live.category)
                      : channel.live.title
                    : t("live.offline")}
                </span>
              </span>
              {channel.live && (
                <span
                  className={cx("tabular flex items-center gap-1.5 text-soft text-xs", isNarrow && "sr-only")}
                >
                  <span aria-hidden="true" className="size-2 rounded-full bg-live" />
                  <span aria-hidden="true">{compact(channel.live.viewers, lang)}</span>
                  <span className="sr-only">{t("live.viewers", { count: channel.live.viewers })}</span>
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
