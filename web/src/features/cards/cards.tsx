import { Link } from "@tanstack/react-router";
import { Eye, Users } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Stream, Vod } from "@/api/types";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { usePlaces } from "@/features/vod/useResume";
import { categoryName } from "@/i18n/categoryName";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, clock, compact } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { Avatar } from "@/ui/avatar";
import { LiveBadge, Skeleton, Tag } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { Thumb } from "./Thumb";

const THUMB_EVERY_MS = 30_000;

export const gridClass = "grid grid-cols-[repeat(auto-fill,minmax(min(100%,272px),1fr))] gap-x-5 gap-y-8";

/** A live picture's address, renewed every half minute. */
export function useFreshThumb(url: string | null | undefined): string | null {
  const now = useNow(THUMB_EVERY_MS);
  if (!url) return null;
  return `${url}${url.includes("?") ? "&" : "?"}t=${Math.floor(now / THUMB_EVERY_MS)}`;
}

function Pill({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <span
      className={cx(
        "tabular inline-flex h-[22px] items-center gap-1 rounded-sm bg-[#060b0ccc] px-1.5 font-semibold text-[12px] text-white backdrop-blur-sm [&_svg]:size-3.5",
        className,
      )}
    >
      {children}
    </span>
  );
}

export function Viewers({ count, testId }: { count: number; testId?: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <>
      <Users aria-hidden="true" />
      <span data-testid={testId} data-count={count} aria-hidden="true">
        {compact(count, lang)}
      </span>
      <span className="sr-only">{t("live.viewers", { count })}</span>
    </>
  );
}

export function StreamCard({ stream }: { stream: Stream }) {
  const { t } = useTranslation();
  const thumb = useFreshThumb(stream.thumbnail_url);
  return (
    <article className="group relative flex flex-col gap-3" data-testid="stream-card">
      <div className="relative aspect-video overflow-hidden rounded-md bg-sunken outline-melt transition-[outline] group-hover:outline-2 group-hover:outline-offset-3">
        <Thumb url={thumb} seed={stream.channel.username} />
        <div className="absolute top-2 left-2 flex gap-1.5">
          {stream.status === "reconnecting" ? <Pill>{t("live.reconnecting")}</Pill> : <LiveBadge />}
          <Pill>
            <Viewers count={stream.viewers} />
          </Pill>
          <VisibilityBadge visibility={stream.visibility} />
        </div>
      </div>
      <div className="flex gap-3">
        <Avatar
          name={stream.channel.display_name}
          username={stream.channel.username}
          url={stream.channel.avatar_url}
          size={38}
        />
        <div className="min-w-0">
          <h3 className="line-clamp-2 font-sans font-semibold text-[15.5px] leading-snug">
            <Link
              to="/c/$username"
              params={{ username: stream.channel.username }}
              className="before:absolute before:inset-0 before:z-[1] focus-visible:outline-none focus-visible:before:rounded-md focus-visible:before:outline-2 focus-visible:before:outline-[var(--focus)] focus-visible:before:outline-offset-4"
            >
              {stream.title}
            </Link>
          </h3>
          <p className="truncate text-sm text-soft">{stream.channel.display_name}</p>
          <p className="truncate text-faint text-sm">
            {stream.category ? categoryName(t, stream.category) : ""}
          </p>
        </div>
      </div>
    </article>
  );
}

export function VodCard({ vod, actions }: { vod: Vod; actions?: ReactNode }) {
  const { t } = useTranslation();
  const lang = useLang();
  const place = usePlaces()[vod.id];
  return (
    <article className="group relative flex flex-col gap-3" data-testid="vod-card">
      <div className="relative aspect-video overflow-hidden rounded-md bg-sunken outline-melt transition-[outline] group-hover:outline-2 group-hover:outline-offset-3">
        <Thumb url={vod.thumbnail_url} seed={vod.id} />
        <VisibilityBadge visibility={vod.visibility} className="absolute top-2 left-2" />
        <Pill className="absolute right-2 bottom-2">
          {vod.status === "recording" ? t("vod.recording") : clock(vod.duration_s)}
        </Pill>
        {place && <Watched share={Math.min(1, place.at / place.duration)} />}
      </div>
      <div className="flex gap-3">
        <Avatar
          name={vod.channel.display_name}
          username={vod.channel.username}
          url={vod.channel.avatar_url}
          size={38}
        />
        <div className="min-w-0 flex-1">
          <h3 className="line-clamp-2 font-sans font-semibold text-[15.5px] leading-snug">
            <Link
              to="/v/$id"
              params={{ id: vod.id }}
              className="before:absolute before:inset-0 before:z-[1] focus-visible:outline-none focus-visible:before:rounded-md focus-visible:before:outline-2 focus-visible:before:outline-[var(--focus)] focus-visible:before:outline-offset-4"
            >
              {vod.title}
            </Link>
          </h3>
          <p className="truncate text-sm text-soft">{vod.channel.display_name}</p>
          <p className="truncate text-faint text-sm">
            {t("vod.views", { count: vod.views, shown: compact(vod.views, lang) })}
            <span aria-hidden="true"> · </span>
            {ago(vod.created_at, lang)}
          </p>
        </div>
        {actions && <div className="relative z-[2]">{actions}</div>}
      </div>
    </article>
  );
}

/** How far this viewer got. */
function Watched({ share }: { share: number }) {
  const { t } = useTranslation();
  const lang = useLang();
  const percent = new Intl.NumberFormat(lang, { style: "percent" }).format(share);
  return (
    <span className="absolute inset-x-0 bottom-0 h-1 bg-black/50" data-testid="watched">
      <span className="block h-full bg-live" style={{ width: `${share * 100}%` }} />
      <span className="sr-only">{t("vod.watched", { percent })}</span>
    </span>
  );
}

/** The stream most people watch, drawn large. */
export function Spotlight({ stream }: { stream: Stream }) {
  const { t } = useTranslation();
  const thumb = useFreshThumb(stream.thumbnail_url);
  return (
    <article
      className="group relative grid overflow-hidden rounded-lg border border-line bg-surface lg:grid-cols-[minmax(0,1.75fr)_minmax(300px,1fr)]"
      data-testid="stream-card"
    >
      <div className="relative aspect-video overflow-hidden bg-sunken">
        <Thumb url={thumb} seed={stream.channel.username} isEager />
        <div className="absolute top-3 left-3 flex gap-1.5">
          {stream.status === "reconnecting" ? <Pill>{t("live.reconnecting")}</Pill> : <LiveBadge />}
          <Pill>
            <Viewers count={stream.viewers} />
          </Pill>
          <VisibilityBadge visibility={stream.visibility} />
        </div>
      </div>
      <div className="flex flex-col justify-center gap-4 p-5 sm:p-8">
        <div className="flex items-center gap-3">
          <Avatar
            name={stream.channel.display_name}
            username={stream.channel.username}
            url={stream.channel.avatar_url}
            size={44}
            isLive
          />
          <div className="min-w-0">
            <p className="truncate font-semibold">{stream.channel.display_name}</p>
            <p className="truncate text-sm text-soft">
              {stream.category ? categoryName(t, stream.category) : ""}
            </p>
          </div>
        </div>
        <h3 className="line-clamp-3 font-bold text-2xl leading-[1.15] tracking-tight sm:text-[32px]">
          {stream.title}
        </h3>
        <div className="flex flex-wrap gap-1.5">
          {stream.tags.slice(0, 4).map((tag) => (
            <Tag key={tag}>{tag}</Tag>
          ))}
        </div>
        <Link
          to="/c/$username"
          params={{ username: stream.channel.username }}
          className={buttonClass(
            "solid",
            "m",
            "self-start before:absolute before:inset-0 before:content-['']",
          )}
          aria-label={t("home.watch_named", { title: stream.title })}
        >
          <Eye />
          {t("home.watch")}
        </Link>
      </div>
    </article>
  );
}

export function CardSkeletons({ count = 8 }: { count?: number }) {
  return (
    <div className={gridClass} aria-hidden="true">
      {Array.from({ length: count }, (_, i) => `skeleton-${i}`).map((key) => (
        <div key={key} className="flex flex-col gap-3">
          <Skeleton className="aspect-video" />
          <div className="flex gap-3">
            <Skeleton className="size-9 rounded-full" />
            <div className="flex flex-1 flex-col gap-2 pt-1">
              <Skeleton className="h-4 w-4/5" />
              <Skeleton className="h-3.5 w-2/5" />
            </div>
          </div>
        </div>
      ))}
    </div>
  );
}
