// What was found, kind by kind.
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { Category, Vod } from "@/api/types";
import { gridClass, VodCard } from "@/features/cards/cards";
import type { StoredFile } from "@/features/files/api";
import { FileFace } from "@/features/files/pieces";
import { bytes } from "@/features/vod/keeping";
import { categoryName } from "@/i18n/categoryName";
import { useLang } from "@/i18n/useLang";
import { compact } from "@/lib/time";
import { Avatar } from "@/ui/avatar";
import { LiveBadge } from "@/ui/bits";
import type { ChannelHit } from "./api";
import { Marked } from "./Marked";

const listClass = "divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface";
const rowClass = "flex min-h-16 items-center gap-4 px-4 py-3 hover:bg-raised focus-visible:bg-raised";

export function ChannelHits({ channels, q }: { channels: readonly ChannelHit[]; q: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <ul className={listClass}>
      {channels.map((one) => (
        <li key={one.username}>
          <Link
            to="/c/$username"
            params={{ username: one.username }}
            className={rowClass}
            data-testid="channel-hit"
            data-username={one.username}
          >
            <Avatar
              name={one.display_name}
              username={one.username}
              url={one.avatar_url}
              size={48}
              isLive={one.is_live}
            />
            <span className="min-w-0 flex-1">
              <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                <span className="min-w-0 truncate font-semibold">
                  <Marked text={one.display_name} q={q} />
                </span>
                {one.is_live && <LiveBadge />}
              </span>
              <span className="block truncate text-sm text-soft">
                <Marked text={t("channel.handle", { username: one.username })} q={q} />
                <span aria-hidden="true"> · </span>
                {t("channel.followers", {
                  count: one.followers_count,
                  shown: compact(one.followers_count, lang),
                })}
              </span>
              {one.bio && (
                <span className="line-clamp-1 text-faint text-sm">
                  <Marked text={one.bio} q={q} />
                </span>
              )}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

export function VodHits({ vods }: { vods: readonly Vod[] }) {
  return (
    <div className={gridClass}>
      {vods.map((vod) => (
        <VodCard key={vod.id} vod={vod} />
      ))}
    </div>
  );
}

export function CategoryHits({ categories, q }: { categories: readonly Category[]; q: string }) {
  const { t } = useTranslation();
  return (
    <ul className={listClass}>
      {categories.map((one) => (
        <li key={one.slug}>
          <Link
            to="/browse"
            search={{ category: one.slug }}
            className={rowClass}
            data-testid="category-hit"
            data-slug={one.slug}
          >
            <span className="min-w-0 flex-1">
              <span className="block truncate font-semibold">
                <Marked text={categoryName(t, one)} q={q} />
              </span>
              {one.description && <span className="line-clamp-1 text-sm text-soft">{one.description}</span>}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

export function FileHits({ files, q }: { files: readonly StoredFile[]; q: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <ul className={listClass}>
      {files.map((file) => (
        <li key={file.id}>
          <Link
            to="/files"
            search={{ q: file.name }}
            className={rowClass}
            data-testid="file-hit"
            data-name={file.name}
          >
            <FileFace file={file} />
            <span className="min-w-0 flex-1">
              <span className="block truncate font-semibold">
                <Marked text={file.name} q={q} />
              </span>
              <span className="block truncate text-sm text-soft">
                {file.path === "/" ? t("files.in_root") : t("files.in_folder", { path: file.path })}
                <span aria-hidden="true"> · </span>
                {bytes(file.bytes, lang)}
              </span>
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
