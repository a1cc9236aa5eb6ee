import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { vods } from "@/api/queries";
import type { Vod } from "@/api/types";
import { Thumb } from "@/features/cards/Thumb";
import { DeleteVodDialog, EditVodDialog } from "@/features/vod/EditVod";
import { Keeping, StorageLine } from "@/features/vod/Keeping";
import { Making } from "@/features/vod/Making";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago, clock, compact } from "@/lib/time";
import { Empty, ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { More } from "@/ui/more";

export function Recordings({ username }: { username: string }) {
  const { t } = useTranslation();
  const list = useInfiniteQuery(vods({ channel: username, sort: "recent" }));
  const [edited, setEdited] = useState<Vod | null>(null);
  const [doomed, setDoomed] = useState<Vod | null>(null);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="mt-12">
      <SectionHead title={t("studio.recordings")} />
      <StorageLine />
      {list.isPending && <Skeleton className="h-48" />}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && items.length === 0 && <Empty title={t("home.no_vods")}>{t("studio.no_vods_text")}</Empty>}
      {items.length > 0 && (
        <ul className="divide-y divide-line overflow-hidden rounded-lg border border-line bg-surface">
          {items.map((vod) => (
            <Row key={vod.id} vod={vod} onEdit={() => setEdited(vod)} onDelete={() => setDoomed(vod)} />
          ))}
        </ul>
      )}
      <More list={list} className="mt-6 flex justify-center" />
      {edited && <EditVodDialog vod={edited} isOpen onClose={() => setEdited(null)} />}
      {doomed && <DeleteVodDialog vod={doomed} isOpen onClose={() => setDoomed(null)} />}
    </section>
  );
}

function Row({ vod, onEdit, onDelete }: { vod: Vod; onEdit: () => void; onDelete: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  return (
    <li className="flex items-center gap-4 p-3 sm:px-5" data-testid="studio-vod" data-status={vod.status}>
      <div className="aspect-video w-28 shrink-0 overflow-hidden rounded-sm bg-sunken sm:w-36">
        <Thumb url={vod.thumbnail_url} seed={vod.id} />
      </div>
      <div className="min-w-0 flex-1">
        <Link to="/v/$id" params={{ id: vod.id }} className="line-clamp-2 font-semibold hover:underline">
          {vod.title}
        </Link>
        <p className="tabular mt-0.5 text-faint text-sm">
          {clock(vod.duration_s)}
          <span aria-hidden="true"> · </span>
          {t("vod.views", { count: vod.views, shown: compact(vod.views, lang) })}
          <span aria-hidden="true"> · </span>
          {ago(vod.created_at, lang)}
        </p>
        <Keeping vod={vod} />
        <Making vod={vod} />
      </div>
      <span
        className={cx(
          "rounded-full px-2.5 py-0.5 font-semibold text-xs max-sm:hidden",
          vod.status === "ready" && "bg-good-wash text-good",
          vod.status === "recording" && "bg-live-wash text-live-text",
          vod.status === "processing" && "bg-warn-wash text-warn",
          vod.status === "failed" && "bg-danger-wash text-danger",
        )}
      >
        {t(`vod.status.${vod.status}`)}
      </span>
      <div className="flex gap-1">
        <Button
          look="ghost"
          size="icon"
          aria-label={t("vod.edit_named", { title: vod.title })}
          onClick={onEdit}
        >
          <Pencil />
        </Button>
        <Button
          look="ghost"
          size="icon"
          aria-label={t("vod.delete_named", { title: vod.title })}
          onClick={onDelete}
        >
          <Trash2 />
        </Button>
      </div>
    </li>
  );
}
