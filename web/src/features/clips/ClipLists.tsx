import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { CardSkeletons, gridClass } from "@/features/cards/cards";
import { Empty, ErrorState, SectionHead } from "@/ui/bits";
import { More } from "@/ui/more";
import { Segmented } from "@/ui/segmented";
import { ClipCard } from "./ClipCard";
import { type ClipSort, clips, vodClips } from "./queries";

/** All clips of a channel. */
export function ChannelClips({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const [sort, setSort] = useState<ClipSort>("recent");
  const list = useInfiniteQuery(clips(channel, sort));
  const items = list.data?.pages.flatMap((page) => page.items) ?? null;
  return (
    <div className="flex flex-col gap-6" data-testid="channel-clips">
      {(items === null || items.length > 0) && (
        <Segmented
          label={t("clips.sort")}
          value={sort}
          onChange={setSort}
          options={(["recent", "views"] as const).map((value) => ({
            value,
            label: t(`clips.sort_${value}`),
          }))}
        />
      )}
      {list.isPending && <CardSkeletons count={4} />}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {items?.length === 0 && <Empty title={t("clips.none")}>{t("clips.none_text")}</Empty>}
      {items && items.length > 0 && (
        <div className={gridClass}>
          {items.map((clip) => (
            <ClipCard key={clip.id} clip={clip} />
          ))}
        </div>
      )}
      <More list={list} />
    </div>
  );
}

/** Clips made of one recording; nothing where there are none. */
export function ClipsOfVod({ vodId }: { vodId: string }) {
  const { t } = useTranslation();
  const list = useInfiniteQuery(vodClips(vodId));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  if (items.length === 0) return null;
  return (
    <section className="flex flex-col gap-4" data-testid="vod-clips">
      <SectionHead title={t("clips.of_recording")} />
      <div className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,220px),1fr))] gap-x-5 gap-y-7">
        {items.map((clip) => (
          <ClipCard key={clip.id} clip={clip} />
        ))}
      </div>
      <More list={list} />
    </section>
  );
}
