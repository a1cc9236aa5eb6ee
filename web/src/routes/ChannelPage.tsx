import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useLocation } from "@tanstack/react-router";
import { MessageSquare, PanelRightClose } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { channel as channelQuery, stream as streamQuery, vods } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Channel, Stream, Vod } from "@/api/types";
import { CardSkeletons, gridClass, VodCard } from "@/features/cards/cards";
import { FollowButton } from "@/features/channel/FollowButton";
import { LiveFacts } from "@/features/channel/LiveFacts";
import { Offline, Reconnecting } from "@/features/channel/LiveOverlay";
import { Chat } from "@/features/chat/Chat";
import { type ChatRoom, useChat } from "@/features/chat/useChat";
import { ChannelClips } from "@/features/clips/ClipLists";
import { recordingOf } from "@/features/clips/queries";
import { useClipping } from "@/features/clips/useClipping";
import { BondButton } from "@/features/friends/BondButton";
import { Player } from "@/features/player/Player";
import { useTheatre } from "@/features/player/useTheatre";
import { ReportButton } from "@/features/report/ReportButton";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { isUnplayable } from "@/features/vod/making";
import { categoryName } from "@/i18n/categoryName";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { usePrefs } from "@/lib/prefs";
import { compact } from "@/lib/time";
import { useMedia } from "@/lib/useMedia";
import { Problem } from "@/routes/problems";
import { PageHead } from "@/shell/PageHead";
import { usePage } from "@/shell/usePage";
import { Avatar } from "@/ui/avatar";
import { Empty, LiveBadge, Skeleton, Tag } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";

const route = getRouteApi("/shell/c/$username");

export function ChannelPage() {
  const { username } = route.useParams();
  return <Watch key={username.toLowerCase()} username={username.toLowerCase()} />;
}

function Watch({ username }: { username: string }) {
  const query = useQuery(channelQuery(username));
  const recordings = useInfiniteQuery(vods({ channel: username, sort: "recent" }));
  const { stream: linkedId } = route.useSearch();
  const chat = useChat(username, linkedId);
  const linked = useLinked(linkedId, username);
  if (query.isError && !query.data) {
    return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  }
  const list = recordings.data?.pages.flatMap((page) => page.items) ?? null;
  const channel = query.data ? { ...query.data, live: query.data.live ?? linked } : null;
  return <Page channel={channel} username={username} recordings={list} chat={chat} link={linkedId} />;
}

/** An unlisted stream, for whoever came by its link. */
function useLinked(id: string | undefined, username: string): Stream | null {
  const query = useQuery({ ...streamQuery(id ?? ""), enabled: id !== undefined, refetchInterval: 30_000 });
  const stream = query.data;
  return stream && stream.status !== "ended" && stream.channel.username === username ? stream : null;
}

function Page({
  channel,
  username,
  recordings,
  chat,
  link,
}: {
  channel: Channel | null;
  username: string;
  recordings: Vod[] | null;
  chat: ChatRoom;
  link?: string;
}) {
  const { t } = useTranslation();
  const isChatOpen = usePrefs((prefs) => prefs.isChatOpen);
  const isWide = useMedia("(min-width: 1024px)");
  const isForChat = useLocation({ select: (location) => location.hash === "chat" });
  useEffect(() => {
    // Whoever was called into the chat finds it open.
    if (isForChat) usePrefs.setState({ isChatOpen: true });
  }, [isForChat]);
  return (
    <div className="flex flex-col lg:min-h-[calc(100dvh-var(--header-h))] lg:flex-row">
      <div className="min-w-0 flex-1">
        <div className="max-lg:sticky max-lg:top-[var(--header-h)] max-lg:z-30">
          <Stage channel={channel} recordings={recordings} />
        </div>
        {/* On phones the chat belongs right under the picture. */}
        {!isWide && (
          <Chat
            room={chat}
            username={username}
            link={link}
            className="h-[46dvh] min-h-[300px] border-line border-b"
          />
        )}
        <div className="px-4 py-5 sm:px-6 lg:px-8">
          {channel ? <About channel={channel} viewers={chat.viewers} /> : <AboutSkeleton />}
          <Shelves username={username} recordings={recordings} live={channel?.live?.id ?? null} />
        </div>
      </div>
      {isWide && (
        <div
          className={cx(
            "sticky top-[var(--header-h)] h-[calc(100dvh-var(--header-h))] shrink-0 border-line border-l",
            isChatOpen ? "w-[350px]" : "w-12",
          )}
        >
          <Button
            look="ghost"
            size="icon-s"
            aria-expanded={isChatOpen}
            aria-label={isChatOpen ? t("chat.hide") : t("chat.show")}
            onClick={() => usePrefs.setState({ isChatOpen: !isChatOpen })}
            className="absolute top-2 right-2 z-10"
          >
            {isChatOpen ? <PanelRightClose /> : <MessageSquare />}
          </Button>
          {isChatOpen && <Chat room={chat} username={username} link={link} className="h-full" />}
        </div>
      )}
    </div>
  );
}

function Stage({ channel, recordings }: { channel: Channel | null; recordings: Vod[] | null }) {
  const { t } = useTranslation();
  const isTheatre = useTheatre();
  const live = channel?.live ?? null;
  const isReconnecting = live?.status === "reconnecting";
  const last = recordings?.find((vod) => vod.status === "ready") ?? null;
  const recorded = useQuery({
    ...recordingOf(live?.id ?? "", channel?.username ?? ""),
    enabled: live !== null,
  });
  const { onClip, dialog } = useClipping((live && recorded.data) ?? null, true);
  const overlay = !channel ? undefined : !live ? (
    <Offline channel={channel} last={last} />
  ) : isReconnecting ? (
    <Reconnecting until={live.reconnect_until} backdrop={live.thumbnail_url} />
  ) : undefined;
  return (
    <>
      <Player
        // A new stream is a new player; a stream that comes back keeps the one it has.
        key={live?.id ?? "none"}
        src={live ? live.playback.hls : null}
        permitted={live ? { kind: "stream", id: live.id } : undefined}
        isLive
        title={live?.title ?? t("channel.title", { name: channel?.display_name ?? "" })}
        artist={channel?.display_name ?? ""}
        poster={live?.thumbnail_url}
        overlay={overlay}
        epoch={live?.status}
        startedAt={live?.started_at}
        hasTheatre
        onClip={onClip}
        className={
          isTheatre
            ? "!aspect-auto h-[calc(100dvh-var(--header-h))]"
            : "lg:max-h-[calc(100dvh-var(--header-h)-150px)]"
        }
      />
      {dialog}
    </>
  );
}

function About({ channel, viewers }: { channel: Channel; viewers: number | null }) {
  const { t } = useTranslation();
  const lang = useLang();
  const me = useSession((session) => session.user);
  const { live } = channel;
  const heading = live?.title || channel.display_name;
  usePage(live ? `${channel.display_name}: ${live.title}` : channel.display_name);
  const bio = live?.description || channel.bio;
  return (
    <section className="flex flex-col gap-4">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-4">
        <div className="flex min-w-0 flex-1 basis-[26rem] items-start gap-4">
          <Avatar
            name={channel.display_name}
            username={channel.username}
            url={channel.avatar_url}
            size={56}
            isLive={Boolean(live)}
          />
          <div className="min-w-0">
            <h1
              tabIndex={-1}
              data-page-heading
              className="font-bold text-[22px] leading-tight tracking-tight sm:text-[26px]"
            >
              {heading}
            </h1>
            <p className="mt-1 flex flex-wrap items-center gap-x-2 text-soft">
              {live && <span className="font-semibold text-text">{channel.display_name}</span>}
              <span className="text-faint text-sm">
                {t("channel.handle", { username: channel.username })}
              </span>
              <span aria-hidden="true" className="text-faint max-sm:hidden">
                ·
              </span>
              <span className="text-sm" data-testid="followers" data-count={channel.followers_count}>
                {t("channel.followers", {
                  count: channel.followers_count,
                  shown: compact(channel.followers_count, lang),
                })}
              </span>
            </p>
          </div>
        </div>
        <div className="flex flex-wrap items-center gap-3">
          {live && (
            <>
              {live.status === "live" && <LiveBadge />}
              <VisibilityBadge visibility={live.visibility} />
              <LiveFacts stream={live} viewers={viewers} />
            </>
          )}
          <FollowButton channel={channel} />
          <BondButton username={channel.username} name={channel.display_name} />
          <ReportButton
            choices={[
              ...(live
                ? [{ value: "stream", label: t("report.kind.stream"), about: { stream_id: live.id } }]
                : []),
              {
                value: "member",
                label: t("report.kind.member"),
                about: { username: channel.username },
              },
            ]}
            owner={channel.username}
            title={t("report.named", { name: channel.display_name })}
          />
          {me?.username === channel.username && (
            <Link to="/studio" className={buttonClass("soft")}>
              {t("nav.studio")}
            </Link>
          )}
        </div>
      </div>
      {live && (live.category || live.tags.length > 0) && (
        <div className="flex flex-wrap items-center gap-1.5">
          {live.category && (
            <Link
              to="/browse"
              search={{ category: live.category.slug }}
              className="mr-1 font-semibold text-melt text-sm underline-offset-4 hover:underline"
            >
              {categoryName(t, live.category)}
            </Link>
          )}
          {live.tags.map((tag) => (
            <Tag key={tag}>{tag}</Tag>
          ))}
        </div>
      )}
      {bio && <p className="max-w-[75ch] whitespace-pre-line text-soft [overflow-wrap:anywhere]">{bio}</p>}
    </section>
  );
}

/** What there is of the channel besides what is on air. */
function Shelves({
  username,
  recordings,
  live,
}: {
  username: string;
  recordings: Vod[] | null;
  live: string | null;
}) {
  const { t } = useTranslation();
  const { tab, stream } = route.useSearch();
  const tabClass = (isOn: boolean) =>
    cx(
      "-mb-px border-b-[3px] px-1 pb-2.5 font-bold font-display text-[19px] leading-tight tracking-tight",
      isOn ? "border-melt text-text" : "border-transparent text-soft hover:text-text",
    );
  return (
    <section className="mt-10">
      {/* Addresses, not buttons: each can be linked to and opened elsewhere. */}
      <nav aria-label={t("channel.tabs")} className="mb-6 flex gap-6 border-line border-b">
        {([undefined, "clips"] as const).map((one) => (
          <Link
            key={one ?? "recordings"}
            to="/c/$username"
            params={{ username }}
            search={{ ...(stream ? { stream } : {}), ...(one ? { tab: one } : {}) }}
            replace
            resetScroll={false}
            aria-current={tab === one ? "page" : undefined}
            className={tabClass(tab === one)}
            data-testid={one ? "tab-clips" : "tab-recordings"}
          >
            {one ? t("clips.title") : t("browse.recordings")}
          </Link>
        ))}
      </nav>
      {tab === "clips" ? (
        <>
          <h2 className="sr-only">{t("clips.title")}</h2>
          <ChannelClips channel={username} />
        </>
      ) : (
        <Recordings recordings={recordings} live={live} />
      )}
    </section>
  );
}

function Recordings({ recordings, live }: { recordings: Vod[] | null; live: string | null }) {
  const { t } = useTranslation();
  const shown =
    recordings?.filter((vod) => !isUnplayable(vod) && (!vod.stream_id || vod.stream_id !== live)) ?? null;
  return (
    <>
      <h2 className="sr-only">{t("browse.recordings")}</h2>
      {!shown && <CardSkeletons count={4} />}
      {shown?.length === 0 && <Empty title={t("home.no_vods")}>{t("channel.no_vods_text")}</Empty>}
      <div className={gridClass}>
        {shown?.map((vod) => (
          <VodCard key={vod.id} vod={vod} />
        ))}
      </div>
    </>
  );
}

function AboutSkeleton() {
  const { t } = useTranslation();
  return (
    <div className="flex items-start gap-4">
      <PageHead title={t("channel.loading")} isHidden />
      <Skeleton className="size-14 rounded-full" />
      <div className="flex flex-1 flex-col gap-2.5">
        <Skeleton className="h-7 w-3/5" />
        <Skeleton className="h-4 w-1/4" />
      </div>
    </div>
  );
}
