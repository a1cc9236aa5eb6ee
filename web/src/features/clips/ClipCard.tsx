import { Link } from "@tanstack/react-router";
import { Scissors } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Clip } from "@/api/types";
import { Thumb } from "@/features/cards/Thumb";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { useLang } from "@/i18n/useLang";
import { ago, clock, compact } from "@/lib/time";

export function ClipCard({ clip }: { clip: Clip }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <article className="group relative flex flex-col gap-2.5" data-testid="clip-card">
      <div className="relative aspect-video overflow-hidden rounded-md bg-sunken outline-melt transition-[outline] group-hover:outline-2 group-hover:outline-offset-3">
        <Thumb url={clip.thumbnail_url} seed={clip.id} />
        <VisibilityBadge visibility={clip.visibility} className="absolute top-2 left-2" />
        <span className="tabular absolute right-2 bottom-2 inline-flex h-[22px] items-center gap-1 rounded-sm bg-[#060b0ccc] px-1.5 font-semibold text-[12px] text-white backdrop-blur-sm">
          <Scissors aria-hidden="true" className="size-3" />
          {clock(Math.round(clip.duration_ms / 1000))}
        </span>
      </div>
      <div className="min-w-0">
        <h3 className="line-clamp-2 font-sans font-semibold text-[15.5px] leading-snug">
          <Link
            to="/clip/$id"
            params={{ id: clip.id }}
            className="before:absolute before:inset-0 before:z-[1] focus-visible:outline-none focus-visible:before:rounded-md focus-visible:before:outline-2 focus-visible:before:outline-[var(--focus)] focus-visible:before:outline-offset-4"
          >
            {clip.title}
          </Link>
        </h3>
        <p className="truncate text-sm text-soft">{t("clips.by", { name: clip.creator.display_name })}</p>
        <p className="truncate text-faint text-sm">
          {t("vod.views", { count: clip.views, shown: compact(clip.views, lang) })}
          <span aria-hidden="true"> · </span>
          {ago(clip.created_at, lang)}
        </p>
      </div>
    </article>
  );
}
