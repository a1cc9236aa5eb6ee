// The player alone, for other people's pages.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ExternalLink } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { channel as channelQuery, vod as vodQuery, vods } from "@/api/queries";
import { Offline, Reconnecting } from "@/features/channel/LiveOverlay";
import { clip as clipQuery } from "@/features/clips/queries";
import { useCountClip } from "@/features/clips/useCountClip";
import { Player } from "@/features/player/Player";
import { Screen } from "@/features/player/Screen";
import { isUnplayable } from "@/features/vod/making";
import { parseTime } from "@/features/vod/resume";
import { useCountView } from "@/features/vod/useCountView";
import { arrival } from "@/realtime/arrival";
import { getSocket } from "@/realtime/socket";
import { usePage } from "@/shell/usePage";
import { Button } from "@/ui/button";

const channelRoute = getRouteApi("/embed/c/$username");
const vodRoute = getRouteApi("/embed/v/$id");
const clipRoute = getRouteApi("/embed/clip/$id");

function Frame({ title, href, children }: { title: string; href: string; children: ReactNode }) {
  const { t } = useTranslation();
  usePage(title);
  return (
    <main className="group relative grid h-dvh place-items-center overflow-hidden bg-black">
      <h1 className="sr-only">{title}</h1>
      <div className="aspect-video w-full max-w-[calc(100dvh*16/9)]">{children}</div>
      <a
        href={href}
        target="_blank"
        rel="noopener"
        className="absolute top-2 right-2 z-20 inline-flex h-8 items-center gap-1.5 rounded-sm bg-black/70 px-2.5 font-semibold text-sm text-white opacity-0 transition-opacity focus-visible:opacity-100 group-hover:opacity-100 [&_svg]:size-4"
      >
        <ExternalLink />
        {t("embed.open")}
      </a>
    </main>
  );
}

function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { t } = useTranslation();
  const isGone = ApiError.of(error).status === 404;
  return (
    <Screen
      title={isGone ? t("embed.unavailable") : t("problems.500.title")}
      text={isGone ? t("embed.unavailable_text") : undefined}
      testId={isGone ? "state-unavailable" : undefined}
    >
      {!isGone && <Button onClick={onRetry}>{t("actions.retry")}</Button>}
    </Screen>
  );
}

/** Starts only when asked where `?autoplay=0` says so: nothing is loaded before. */
function useStart(isAutomatic: boolean) {
  const [isStarted, setStarted] = useState(isAutomatic);
  return { isStarted, start: () => setStarted(true) };
}

export function EmbedChannel() {
  const { t } = useTranslation();
  const { username } = channelRoute.useParams();
  const { autoplay = true, muted = false } = channelRoute.useSearch();
  const query = useQuery(channelQuery(username));
  const recordings = useInfiniteQuery(vods({ channel: username, sort: "recent" }));
  const { isStarted, start } = useStart(autoplay);
  const refetch = query.refetch;
  useEffect(() => {
    const socket = getSocket();
    const join = () => socket.emit("stream:join", { username, ...arrival(username) }, () => undefined);
    const changed = (event: { username: string }) => {
      if (event.username.toLowerCase() === username.toLowerCase()) void refetch();
    };
    socket.on("connect", join);
    socket.on("stream:online", changed);
    socket.on("stream:offline", changed);
    socket.on("stream:reconnecting", changed);
    if (socket.connected) join();
    return () => {
      socket.off("connect", join);
      socket.off("stream:online", changed);
      socket.off("stream:offline", changed);
      socket.off("stream:reconnecting", changed);
    };
  }, [username, refetch]);

  const channel = query.data ?? null;
  const live = channel?.live ?? null;
  const last = recordings.data?.pages[0]?.items.find((vod) => vod.status === "ready") ?? null;
  const overlay = query.isError ? (
    <Failed error={query.error} onRetry={() => void refetch()} />
  ) : !channel ? undefined : !live ? (
    <Offline channel={channel} last={last} isEmbed />
  ) : live.status === "reconnecting" ? (
    <Reconnecting until={live.reconnect_until} backdrop={live.thumbnail_url} />
  ) : !isStarted ? (
    <Screen title={live.title} backdrop={live.thumbnail_url}>
      <Button look="live" onClick={start}>
        {t("embed.play")}
      </Button>
    </Screen>
  ) : undefined;
  return (
    <Frame title={live?.title ?? channel?.display_name ?? username} href={`/c/${username}`}>
      <Player
        key={live?.id ?? "none"}
        src={live && isStarted ? live.playback.hls : null}
        permitted={live ? { kind: "stream", id: live.id } : undefined}
        isLive
        isMuted={muted}
        title={live?.title ?? username}
        artist={channel?.display_name ?? username}
        poster={live?.thumbnail_url}
        overlay={overlay}
        epoch={live?.status}
        startedAt={live?.started_at}
      />
    </Frame>
  );
}

export function EmbedVod() {
  const { t } = useTranslation();
  const { id } = vodRoute.useParams();
  const { autoplay = true, muted = false, t: asked } = vodRoute.useSearch();
  const query = useQuery(vodQuery(id));
  const countView = useCountView(id);
  const { isStarted, start } = useStart(autoplay);
  const vod = query.data ?? null;
  const overlay = query.isError ? (
    <Failed error={query.error} onRetry={() => void query.refetch()} />
  ) : vod?.status === "processing" ? (
    <Screen title={t("making.title")} text={t("making.text")} />
  ) : vod?.status === "failed" ? (
    <Screen title={t("vod.failed")} text={t("vod.failed_text")} />
  ) : vod && !isStarted ? (
    <Screen title={vod.title} backdrop={vod.thumbnail_url}>
      <Button look="live" onClick={start}>
        {t("embed.play")}
      </Button>
    </Screen>
  ) : undefined;
  return (
    <Frame title={vod?.title ?? t("vod.loading")} href={`/v/${id}`}>
      <Player
        src={vod && !isUnplayable(vod) && isStarted ? vod.playback.hls : null}
        permitted={{ kind: "vod", id }}
        isLive={false}
        isMuted={muted}
        title={vod?.title ?? ""}
        artist={vod?.channel.display_name ?? ""}
        poster={vod?.thumbnail_url}
        storyboardUrl={vod?.storyboard_url}
        startAt={parseTime(asked) ?? 0}
        overlay={overlay}
        onPlaying={countView}
      />
    </Frame>
  );
}

export function EmbedClip() {
  const { t } = useTranslation();
  const { id } = clipRoute.useParams();
  const { autoplay = true, muted = false } = clipRoute.useSearch();
  const query = useQuery(clipQuery(id));
  const countView = useCountClip(id);
  const { isStarted, start } = useStart(autoplay);
  const clip = query.data ?? null;
  const overlay = query.isError ? (
    <Failed error={query.error} onRetry={() => void query.refetch()} />
  ) : clip && !isStarted ? (
    <Screen title={clip.title} backdrop={clip.thumbnail_url}>
      <Button look="live" onClick={start}>
        {t("embed.play")}
      </Button>
    </Screen>
  ) : undefined;
  return (
    <Frame title={clip?.title ?? t("clips.loading")} href={`/clip/${id}`}>
      <Player
        src={clip && isStarted ? clip.playback.hls : null}
        excerptS={clip ? clip.duration_ms / 1000 : undefined}
        permitted={clip ? { kind: "vod", id: clip.vod_id, clip: clip.id } : undefined}
        isLive={false}
        isMuted={muted}
        title={clip?.title ?? ""}
        artist={clip?.channel.display_name ?? ""}
        poster={clip?.thumbnail_url}
        storyboardUrl={clip?.storyboard_url}
        storyboardFrom={clip ? clip.start_ms / 1000 : 0}
        overlay={overlay}
        onPlaying={countView}
      />
    </Frame>
  );
}
