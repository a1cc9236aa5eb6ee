import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Clapperboard, Pencil, Share2, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { createStore, type StoreApi, useStore } from "zustand";
import { channel as channelQuery } from "@/api/queries";
import type { Clip } from "@/api/types";
import { FollowButton } from "@/features/channel/FollowButton";
import { ReplayChat } from "@/features/chat/ReplayChat";
import { ClipCard } from "@/features/clips/ClipCard";
import { DeleteClipDialog, RenameClipDialog } from "@/features/clips/EditClip";
import { clip as clipQuery, clips } from "@/features/clips/queries";
import { ShareDialog } from "@/features/clips/Share";
import { useCountClip } from "@/features/clips/useCountClip";
import { Player } from "@/features/player/Player";
import { useTheatre } from "@/features/player/useTheatre";
import { ReportButton } from "@/features/report/ReportButton";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, compact, day, whole } from "@/lib/time";
import { Problem } from "@/routes/problems";
import { PageHead } from "@/shell/PageHead";
import { usePage } from "@/shell/usePage";
import { Avatar } from "@/ui/avatar";
import { SectionHead, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";

const route = getRouteApi("/shell/clip/$id");
const MORE_MAX = 6;

export function ClipPage() {
  const { t } = useTranslation();
  const { id } = route.useParams();
  const query = useQuery(clipQuery(id));
  if (query.isError && !query.data)
    return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) {
    return (
      <div className="container-page flex flex-col gap-5 pt-6">
        <PageHead title={t("clips.loading")} isHidden />
        <Skeleton className="aspect-video max-h-[70dvh] rounded-lg" />
        <Skeleton className="h-8 w-1/2" />
      </div>
    );
  }
  return <Watch key={id} clip={query.data} />;
}

/** Milliseconds of the clip. */
type Clock = StoreApi<{ atMs: number }>;

/** Chat moves this often at most, however often the player speaks. */
const CLOCK_STEP_MS = 250;

function Watch({ clip }: { clip: Clip }) {
  // Beside the page's own state: only the chat is drawn anew as time goes by.
  const [clock] = useState<Clock>(() => createStore(() => ({ atMs: 0 })));
  const isTheatre = useTheatre();
  const countView = useCountClip(clip.id);
  usePage(clip.title);
  return (
    <div
      className={cx(
        "mx-auto flex flex-col lg:grid lg:grid-cols-[minmax(0,1fr)_auto] lg:grid-rows-[auto_1fr] lg:px-8",
        isTheatre ? "" : "max-w-[1680px] lg:pt-6",
      )}
    >
      <div
        className={cx(
          "min-w-0 max-lg:sticky max-lg:top-[var(--header-h)] max-lg:z-30",
          isTheatre && "lg:col-span-2 lg:-mx-8",
        )}
      >
        <Player
          src={clip.playback.hls}
          isLive={false}
          excerptS={clip.duration_ms / 1000}
          permitted={{ kind: "vod", id: clip.vod_id, clip: clip.id }}
          title={clip.title}
          artist={clip.channel.display_name}
          poster={clip.thumbnail_url}
          storyboardUrl={clip.storyboard_url}
          storyboardFrom={clip.start_ms / 1000}
          onPlaying={countView}
          onProgress={(at) =>
            clock.setState({ atMs: Math.floor((at * 1000) / CLOCK_STEP_MS) * CLOCK_STEP_MS })
          }
          hasTheatre
          className={
            isTheatre
              ? "!aspect-auto h-[calc(100dvh-var(--header-h)-72px)]"
              : "lg:max-h-[calc(100dvh-var(--header-h)-150px)] lg:rounded-lg"
          }
        />
      </div>
      <Facts clip={clip} />
      <aside
        className={cx(
          "w-full px-4 max-lg:pt-3 sm:px-6 lg:col-start-2 lg:w-[352px] lg:pr-0 lg:pl-8",
          isTheatre ? "lg:row-start-2 lg:pt-5" : "lg:row-span-2 lg:row-start-1",
        )}
      >
        <Replay clip={clip} clock={clock} />
        <More clip={clip} />
      </aside>
    </div>
  );
}

function Facts({ clip }: { clip: Clip }) {
  const { t } = useTranslation();
  const lang = useLang();
  const navigate = useNavigate();
  const owner = useQuery(channelQuery(clip.channel.username));
  const [dialog, setDialog] = useState<"share" | "rename" | "delete" | null>(null);
  const close = () => setDialog(null);
  return (
    <div className="flex min-w-0 flex-col gap-5 px-4 py-5 sm:px-6 lg:col-start-1 lg:px-0">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0 flex-1 basis-[20rem]">
          <h1
            tabIndex={-1}
            data-page-heading
            className="font-bold text-[24px] leading-tight tracking-tight [overflow-wrap:anywhere] sm:text-[28px]"
          >
            {clip.title}
          </h1>
          <p className="tabular mt-1.5 text-soft text-sm">
            <Link
              to="/c/$username"
              params={{ username: clip.creator.username }}
              className="font-semibold text-text underline-offset-4 hover:underline"
              data-testid="clip-creator"
            >
              {t("clips.by", { name: clip.creator.display_name })}
            </Link>
            <span aria-hidden="true"> · </span>
            <span data-testid="clip-views" data-count={clip.views}>
              {t("vod.views", { count: clip.views, shown: whole(clip.views, lang) })}
            </span>
            <span aria-hidden="true"> · </span>
            <time dateTime={clip.created_at} title={day(clip.created_at, lang)}>
              {ago(clip.created_at, lang)}
            </time>
            <VisibilityBadge visibility={clip.visibility} className="ml-2 align-middle" />
          </p>
        </div>
        <div className="flex flex-wrap gap-2">
          <Button size="s" onClick={() => setDialog("share")} data-testid="clip-share">
            <Share2 />
            {t("clips.share.open")}
          </Button>
          {clip.may_rename && (
            <Button size="s" onClick={() => setDialog("rename")} data-testid="clip-rename">
              <Pencil />
              {t("clips.rename")}
            </Button>
          )}
          {clip.may_delete && (
            <Button look="danger" size="s" onClick={() => setDialog("delete")} data-testid="clip-delete">
              <Trash2 />
              {t("actions.delete")}
            </Button>
          )}
        </div>
      </div>
      <div className="flex flex-wrap items-center justify-between gap-4 border-line border-y py-4">
        <Link
          to="/c/$username"
          params={{ username: clip.channel.username }}
          className="group flex min-w-0 items-center gap-3.5"
        >
          <Avatar
            name={clip.channel.display_name}
            username={clip.channel.username}
            url={clip.channel.avatar_url}
            size={48}
            isLive={Boolean(owner.data?.live)}
          />
          <span className="min-w-0">
            <span className="block truncate font-semibold group-hover:underline">
              {clip.channel.display_name}
            </span>
            {owner.data && (
              <span className="block text-faint text-sm">
                {t("channel.followers", {
                  count: owner.data.followers_count,
                  shown: compact(owner.data.followers_count, lang),
                })}
              </span>
            )}
          </span>
        </Link>
        <div className="flex items-center gap-2">
          {owner.data && <FollowButton channel={owner.data} />}
          <ReportButton
            choices={[
              {
                value: "member",
                label: t("clips.report_creator", { name: clip.creator.display_name }),
                about: { username: clip.creator.username },
              },
              { value: "recording", label: t("report.recording"), about: { vod_id: clip.vod_id } },
            ]}
            owner={clip.channel.username}
            title={t("clips.report")}
          />
        </div>
      </div>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="min-w-0 text-soft [overflow-wrap:anywhere]">
          {t("clips.from", { title: clip.vod_title })}
        </p>
        <Link
          to="/v/$id"
          params={{ id: clip.vod_id }}
          search={{ t: `${Math.floor(clip.start_ms / 1000)}s` }}
          className={buttonClass("soft", "s")}
          data-testid="clip-whole"
        >
          <Clapperboard />
          {t("clips.whole")}
        </Link>
      </div>
      <ShareDialog clip={clip} isOpen={dialog === "share"} onClose={close} />
      <RenameClipDialog clip={clip} isOpen={dialog === "rename"} onClose={close} />
      <DeleteClipDialog
        clip={clip}
        isOpen={dialog === "delete"}
        onClose={close}
        onDeleted={() =>
          void navigate({
            to: "/c/$username",
            params: { username: clip.channel.username },
            search: { tab: "clips" },
          })
        }
      />
    </div>
  );
}

function Replay({ clip, clock }: { clip: Clip; clock: Clock }) {
  const at = useStore(clock, (now) => now.atMs);
  return (
    <ReplayChat
      vodId={clip.vod_id}
      channel={clip.channel.username}
      at={clip.start_ms + at}
      isGrowing={false}
      className="h-[min(460px,56dvh)]"
    />
  );
}

function More({ clip }: { clip: Clip }) {
  const { t } = useTranslation();
  const list = useInfiniteQuery(clips(clip.channel.username, "views"));
  const items = (list.data?.pages.flatMap((page) => page.items) ?? [])
    .filter((other) => other.id !== clip.id)
    .slice(0, MORE_MAX);
  if (items.length === 0) return null;
  return (
    <div className="mt-6">
      <SectionHead title={t("clips.more", { name: clip.channel.display_name })} />
      <div className="grid gap-6 max-lg:grid-cols-[repeat(auto-fill,minmax(min(100%,260px),1fr))]">
        {items.map((other) => (
          <ClipCard key={other.id} clip={other} />
        ))}
      </div>
    </div>
  );
}
