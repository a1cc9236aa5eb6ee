import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ChartLine, ExternalLink, ShieldCheck, Smile, TriangleAlert, Webhook } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { channel as channelQuery, streamSettings } from "@/api/queries";
import type { Stream, User } from "@/api/types";
import { LiveFacts } from "@/features/channel/LiveFacts";
import { Reconnecting } from "@/features/channel/LiveOverlay";
import { Chat } from "@/features/chat/Chat";
import { useChat } from "@/features/chat/useChat";
import { WhoMayClip } from "@/features/clips/WhoMayClip";
import { Player } from "@/features/player/Player";
import { Connect } from "@/features/studio/Connect";
import { DetailsForm } from "@/features/studio/DetailsForm";
import { EncoderPanel } from "@/features/studio/EncoderPanel";
import { HealthPanel } from "@/features/studio/health/HealthPanel";
import { LastEnd } from "@/features/studio/LastEnd";
import { Recordings } from "@/features/studio/Recordings";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { cx } from "@/lib/cx";
import { PageHead } from "@/shell/PageHead";
import { ErrorState, LiveBadge, Rills } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { RequireUser } from "./RequireUser";

/** Until the stream is there it is asked for this often: the socket may be down. */
const WAIT_POLL_MS = 2_500;

export function Studio() {
  return <RequireUser>{(user) => <Room user={user} />}</RequireUser>;
}

function Room({ user }: { user: User }) {
  const { t } = useTranslation();
  const query = useQuery({
    ...channelQuery(user.username),
    refetchInterval: (state) => (state.state.data?.live?.status === "live" ? 10_000 : WAIT_POLL_MS),
  });
  const chat = useChat(user.username);
  const live = query.data?.live ?? null;
  const client = useQueryClient();
  // Who publishes, and how the last stream ended, are asked for again when the stream comes, stumbles or goes.
  const [id, status] = [live?.id, live?.status];
  useEffect(() => void client.invalidateQueries(streamSettings()), [client, id, status]);
  return (
    <div className="container-page max-w-[1440px] pt-8">
      <PageHead title={t("studio.title")}>
        <div className="flex flex-wrap gap-2">
          <Link to="/studio/analytics" className={buttonClass("soft", "s")} data-testid="to-analytics">
            <ChartLine />
            {t("analytics.title")}
          </Link>
          <Link to="/mod/$username" params={{ username: user.username }} className={buttonClass("soft", "s")}>
            <ShieldCheck />
            {t("mod.open")}
          </Link>
          <Link to="/studio/emotes" className={buttonClass("soft", "s")} data-testid="studio-emotes">
            <Smile />
            {t("emotes.title")}
          </Link>
          <Link to="/studio/webhooks" className={buttonClass("soft", "s")} data-testid="to-webhooks">
            <Webhook />
            {t("webhooks.title")}
          </Link>
          <Link to="/c/$username" params={{ username: user.username }} className={buttonClass("soft", "s")}>
            <ExternalLink />
            {t("studio.my_channel")}
          </Link>
        </div>
      </PageHead>
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      <StatusPanel live={live} viewers={chat.viewers} />
      <div className="mt-6 grid items-start gap-6 xl:grid-cols-[minmax(0,1fr)_440px]">
        <div className="flex min-w-0 flex-col gap-6">
          {live && <Preview live={live} name={user.display_name} />}
          {live && <HealthPanel key={live.id} live={live} />}
          {!live && <Connect />}
          {live && <DetailsForm />}
        </div>
        <div className="flex min-w-0 flex-col gap-6">
          {live ? (
            <>
              <Chat
                room={chat}
                username={user.username}
                className="h-[520px] overflow-hidden rounded-lg border border-line"
              />
              <EncoderPanel key={live.id} />
            </>
          ) : (
            <DetailsForm />
          )}
        </div>
      </div>
      {live && (
        <div className="mt-6">
          <Connect />
        </div>
      )}
      <div className="mt-6">
        <WhoMayClip />
      </div>
      <Recordings username={user.username} />
    </div>
  );
}

function StatusPanel({ live, viewers }: { live: Stream | null; viewers: number | null }) {
  const { t } = useTranslation();
  const state = !live ? "waiting" : live.status === "reconnecting" ? "reconnecting" : "live";
  const note = live?.renditions_note;
  const isSourceOnly = note?.startsWith("source-only") ?? false;
  return (
    <div
      data-testid="studio-status"
      data-state={state}
      className={cx(
        "relative flex flex-wrap items-center gap-x-6 gap-y-3 overflow-hidden rounded-lg border px-6 py-5 transition-colors duration-500",
        state === "live" && "border-good/50 bg-good-wash",
        state === "reconnecting" && "border-warn/50 bg-warn-wash",
        state === "waiting" && "border-line bg-surface",
      )}
    >
      {state === "waiting" && (
        <Rills className="pointer-events-none absolute inset-y-0 right-0 h-full w-2/5 opacity-40 max-sm:hidden [mask-image:linear-gradient(to_right,transparent,black)]" />
      )}
      <span
        aria-hidden="true"
        className={cx(
          "size-3.5 rounded-full",
          state === "live" && "bg-good text-good motion-safe:animate-[pulse-dot_2s_infinite]",
          state === "reconnecting" && "bg-warn text-warn motion-safe:animate-[pulse-dot_1s_infinite]",
          state === "waiting" && "bg-line-strong text-faint motion-safe:animate-[pulse-dot_2.4s_infinite]",
        )}
      />
      <div role="status" className="relative min-w-0 flex-1 basis-64">
        <p className="font-bold font-display text-xl leading-tight">{t(`studio.${state}.title`)}</p>
        <p className="mt-0.5 text-soft">{t(`studio.${state}.text`)}</p>
        {state === "waiting" && <LastEnd />}
        {isSourceOnly && (
          <p className="mt-2 flex items-start gap-2 text-sm text-warn" data-testid="source-only">
            <TriangleAlert aria-hidden="true" className="mt-0.5 size-4 shrink-0" />
            <span>
              {t("studio.source_only")}{" "}
              <span className="text-soft">{note?.replace(/^source-only:?\s*/, "")}</span>
            </span>
          </p>
        )}
      </div>
      {live && (
        <div className="flex items-center gap-4">
          {live.status === "live" && <LiveBadge />}
          <VisibilityBadge visibility={live.visibility} />
          <LiveFacts stream={live} viewers={viewers} />
        </div>
      )}
    </div>
  );
}

function Preview({ live, name }: { live: Stream; name: string }) {
  return (
    <Player
      key={live.id}
      src={live.playback.hls}
      permitted={{ kind: "stream", id: live.id }}
      isLive
      isMuted
      title={live.title}
      artist={name}
      poster={live.thumbnail_url}
      epoch={live.status}
      overlay={
        live.status === "reconnecting" ? (
          <Reconnecting until={live.reconnect_until} backdrop={live.thumbnail_url} />
        ) : undefined
      }
      className="rounded-lg"
    />
  );
}
