import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Clapperboard, Pencil, Share2, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { createStore, type StoreApi, useStore } from "zustand";
import { channel as channelQuery, vod as vodQuery, vods } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Vod } from "@/api/types";
import { VodCard } from "@/features/cards/cards";
import { FollowButton } from "@/features/channel/FollowButton";
import { ReplayChat } from "@/features/chat/ReplayChat";
import { ClipsOfVod } from "@/features/clips/ClipLists";
import { useClipping } from "@/features/clips/useClipping";
import { Player } from "@/features/player/Player";
import { Screen } from "@/features/player/Screen";
import { useTheatre } from "@/features/player/useTheatre";
import { ReportButton } from "@/features/report/ReportButton";
import { ShareDialog } from "@/features/shares/ShareDialog";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { DeleteVodDialog, EditVodDialog } from "@/features/vod/EditVod";
import { Keeping } from "@/features/vod/Keeping";
import { Making } from "@/features/vod/Making";
import { importFail, isUnplayable } from "@/features/vod/making";
import { parseTime } from "@/features/vod/resume";
import { useCountView } from "@/features/vod/useCountView";
import { useResume } from "@/features/vod/useResume";
import { categoryName } from "@/i18n/categoryName";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, compact, day, whole } from "@/lib/time";
import { Problem } from "@/routes/problems";
import { PageHead } from "@/shell/PageHead";
import { usePage } from "@/shell/usePage";
import { Avatar } from "@/ui/avatar";
import { SectionHead, Skeleton, Tag } from "@/ui/bits";
import { Button } from "@/ui/button";

const route = getRouteApi("/shell/v/$id");
const MORE_MAX = 8;

export function VodPage() {
  const { t } = useTranslation();
  const { id } = route.useParams();
  const query = useQuery(vodQuery(id));
  if (query.isError && !query.data)
    return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) {
    return (
      <div className="container-page flex flex-col gap-5 pt-6">
        <PageHead title={t("vod.loading")} isHidden />
        <Skeleton className="aspect-video max-h-[70dvh] rounded-lg" />
        <Skeleton className="h-8 w-1/2" />
      </div>
    );
  }
  return <Watch key={id} vod={query.data} />;
}

type Clock = StoreApi<{ atMs: number }>;

/** Chat moves this often at most, however often the player speaks. */
const CLOCK_STEP_MS = 250;

function Watch({ vod }: { vod: Vod }) {
  // Beside the page's own state: only the chat is drawn anew as time goes by.
  const [clock] = useState<Clock>(() => createStore(() => ({ atMs: 0 })));
  const countView = useCountView(vod.id);
  const isTheatre = useTheatre();
  usePage(vod.title);
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
        <Stage vod={vod} isTheatre={isTheatre} onPlaying={countView} clock={clock} />
      </div>
      <Facts vod={vod} />
      <More vod={vod} isTheatre={isTheatre} clock={clock} />
    </div>
  );
}

function Stage({
  vod,
  isTheatre,
  onPlaying,
  clock,
}: {
  vod: Vod;
  isTheatre: boolean;
  onPlaying: () => void;
  clock: Clock;
}) {
  const { t } = useTranslation();
  const { t: asked } = route.useSearch();
  const { isKnown, startAt, onProgress } = useResume(vod.id);
  const linked = parseTime(asked);
  const { onClip, dialog } = useClipping(vod, false);
  return (
    <>
      <Player
        // Whose place it is must be known before it begins.
        src={isUnplayable(vod) || !isKnown ? null : vod.playback.hls}
        isLive={false}
        permitted={{ kind: "vod", id: vod.id }}
        title={vod.title}
        artist={vod.channel.display_name}
        poster={vod.thumbnail_url}
        storyboardUrl={vod.storyboard_url}
        startAt={linked ?? startAt}
        isResumed={linked === null && startAt > 0}
        onPlaying={onPlaying}
        onProgress={(at, duration) => {
          clock.setState({ atMs: Math.floor((at * 1000) / CLOCK_STEP_MS) * CLOCK_STEP_MS });
          onProgress(at, duration);
        }}
        hasTheatre
        onClip={onClip}
        overlay={
          vod.status === "processing" ? (
            <Screen
              icon={<Clapperboard />}
              title={t("making.title")}
              text={t("making.text")}
              testId="vod-processing"
            />
          ) : vod.status === "failed" ? (
            <Screen
              icon={<Clapperboard />}
              title={t("vod.failed")}
              text={importFail(vod.fail_reason) ? t("making.failed_text") : t("vod.failed_text")}
              testId="vod-failed"
            />
          ) : undefined
        }
        className={
          isTheatre
            ? "!aspect-auto h-[calc(100dvh-var(--header-h)-72px)]"
            : "lg:max-h-[calc(100dvh-var(--header-h)-150px)] lg:rounded-lg"
        }
      />
      {dialog}
    </>
  );
}

function Facts({ vod }: { vod: Vod }) {
  const { t } = useTranslation();
  const lang = useLang();
  const navigate = useNavigate();
  const me = useSession((session) => session.user);
  const owner = useQuery(channelQuery(vod.channel.username));
  const [dialog, setDialog] = useState<"edit" | "delete" | "share" | null>(null);
  const mayEdit = me !== null && (me.username === vod.channel.username || me.role !== "user");
  return (
    <div className="flex min-w-0 flex-col gap-5 px-4 py-5 sm:px-6 lg:col-start-1 lg:px-0">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0 flex-1 basis-[20rem]">
          <h1
            tabIndex={-1}
            data-page-heading
            className="font-bold text-[24px] leading-tight tracking-tight sm:text-[28px]"
          >
            {vod.title}
          </h1>
          <p className="tabular mt-1.5 text-soft text-sm">
            <span data-testid="vod-views" data-count={vod.views}>
              {t("vod.views", { count: vod.views, shown: whole(vod.views, lang) })}
            </span>
            <span aria-hidden="true"> · </span>
            <time dateTime={vod.created_at} title={day(vod.created_at, lang)}>
              {ago(vod.created_at, lang)}
            </time>
            <VisibilityBadge visibility={vod.visibility} className="ml-2 align-middle" />
            {vod.status === "recording" && (
              <span className="ml-2 font-semibold text-live-text">{t("vod.recording")}</span>
            )}
          </p>
          <Keeping vod={vod} />
          <Making vod={vod} />
        </div>
        {mayEdit && (
          <div className="flex flex-wrap gap-2">
            {me.username === vod.channel.username && !isUnplayable(vod) && (
              <Button size="s" onClick={() => setDialog("share")} data-testid="vod-share">
                <Share2 />
                {t("shares.act")}
              </Button>
            )}
            <Button size="s" onClick={() => setDialog("edit")} data-testid="vod-edit">
              <Pencil />
              {t("actions.edit")}
            </Button>
            <Button look="danger" size="s" onClick={() => setDialog("delete")} data-testid="vod-delete">
              <Trash2 />
              {t("actions.delete")}
            </Button>
          </div>
        )}
      </div>
      <div className="flex flex-wrap items-center justify-between gap-4 border-line border-y py-4">
        <Link
          to="/c/$username"
          params={{ username: vod.channel.username }}
          className="group flex min-w-0 items-center gap-3.5"
        >
          <Avatar
            name={vod.channel.display_name}
            username={vod.channel.username}
            url={vod.channel.avatar_url}
            size={48}
            isLive={Boolean(owner.data?.live)}
          />
          <span className="min-w-0">
            <span className="block truncate font-semibold group-hover:underline">
              {vod.channel.display_name}
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
        {owner.data && <FollowButton channel={owner.data} />}
        <ReportButton
          choices={[{ value: "recording", label: "", about: { vod_id: vod.id } }]}
          owner={vod.channel.username}
          title={t("report.recording")}
        />
      </div>
      {(vod.category || (vod.tags?.length ?? 0) > 0) && (
        <div className="flex flex-wrap items-center gap-1.5">
          {vod.category && (
            <Link
              to="/browse"
              search={{ category: vod.category.slug }}
              className="mr-1 font-semibold text-melt text-sm underline-offset-4 hover:underline"
            >
              {categoryName(t, vod.category)}
            </Link>
          )}
          {vod.tags?.map((tag) => (
            <Tag key={tag}>{tag}</Tag>
          ))}
        </div>
      )}
      {vod.description && (
        <p className="max-w-[75ch] whitespace-pre-line text-soft [overflow-wrap:anywhere]">
          {vod.description}
        </p>
      )}
      {!isUnplayable(vod) && <ClipsOfVod vodId={vod.id} />}
      {dialog === "share" && (
        <ShareDialog thing={{ kind: "vod", id: vod.id, name: vod.title }} onClose={() => setDialog(null)} />
      )}
      <EditVodDialog vod={vod} isOpen={dialog === "edit"} onClose={() => setDialog(null)} />
      <DeleteVodDialog
        vod={vod}
        isOpen={dialog === "delete"}
        onClose={() => setDialog(null)}
        onDeleted={() => void navigate({ to: "/c/$username", params: { username: vod.channel.username } })}
      />
    </div>
  );
}

function Replay({ vod, clock }: { vod: Vod; clock: Clock }) {
  const at = useStore(clock, (now) => now.atMs);
  return (
    <ReplayChat
      vodId={vod.id}
      channel={vod.channel.username}
      at={at}
      isGrowing={vod.status === "recording"}
      className="h-[min(520px,60dvh)]"
    />
  );
}

function More({ vod, isTheatre, clock }: { vod: Vod; isTheatre: boolean; clock: Clock }) {
  const { t } = useTranslation();
  const more = useInfiniteQuery(vods({ channel: vod.channel.username, sort: "recent" }));
  const items = (more.data?.pages.flatMap((page) => page.items) ?? [])
    .filter((other) => other.id !== vod.id && !isUnplayable(other))
    .slice(0, MORE_MAX);
  return (
    <aside
      className={cx(
        "w-full px-4 max-lg:pt-3 sm:px-6 lg:col-start-2 lg:w-[352px] lg:pr-0 lg:pl-8",
        isTheatre ? "lg:row-start-2 lg:pt-5" : "lg:row-span-2 lg:row-start-1",
      )}
    >
      {!isUnplayable(vod) && vod.stream_id && (
        <div className="mb-6">
          <Replay vod={vod} clock={clock} />
        </div>
      )}
      {items.length > 0 && <SectionHead title={t("vod.more", { name: vod.channel.display_name })} />}
      <div className="grid gap-6 max-lg:grid-cols-[repeat(auto-fill,minmax(min(100%,260px),1fr))]">
        {items.map((other) => (
          <VodCard key={other.id} vod={other} />
        ))}
      </div>
    </aside>
  );
}
