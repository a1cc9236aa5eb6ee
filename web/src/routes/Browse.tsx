import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { categories, liveStreams, vods } from "@/api/queries";
import { CategoryChips } from "@/features/cards/CategoryChips";
import { CardSkeletons, gridClass, StreamCard, VodCard } from "@/features/cards/cards";
import { categoryName } from "@/i18n/categoryName";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, HomeLink, SectionHead } from "@/ui/bits";
import { More } from "@/ui/more";

const route = getRouteApi("/shell/browse");

export function Browse() {
  const { t } = useTranslation();
  const { category, q } = route.useSearch();
  const known = useQuery(categories());
  const chosen = known.data?.items.find((one) => one.slug === category);
  const name = chosen ? categoryName(t, chosen) : category;
  const title = q ? t("browse.results", { q }) : name ? name : t("nav.browse");

  const live = useQuery(liveStreams({ category, q }));
  const recent = useInfiniteQuery(vods({ category, q, sort: q ? "views" : "recent" }));
  const streams = live.data?.items ?? [];
  const recordings = recent.data?.pages.flatMap((page) => page.items) ?? [];
  const isLoading = live.isPending || recent.isPending;
  const failure = live.error ?? recent.error;
  const isNothing = !isLoading && !failure && streams.length === 0 && recordings.length === 0;

  return (
    <div className="container-page pt-8">
      <PageHead title={title} />
      <CategoryChips active={category} q={q} to="/browse" />
      <p role="status" className="sr-only">
        {isLoading ? t("browse.loading") : t("browse.found", { count: streams.length + recordings.length })}
      </p>
      <div className="mt-7 flex flex-col gap-12">
        {isLoading && <CardSkeletons />}
        {failure && !isLoading && (
          <ErrorState
            error={failure}
            onRetry={() => {
              void live.refetch();
              void recent.refetch();
            }}
          />
        )}
        {isNothing && (
          <Empty title={t("browse.nothing")} action={<HomeLink />}>
            {t("browse.nothing_text")}
          </Empty>
        )}
        {streams.length > 0 && (
          <section>
            <SectionHead title={t("home.live")} />
            <div className={gridClass}>
              {streams.map((stream) => (
                <StreamCard key={stream.id} stream={stream} />
              ))}
            </div>
          </section>
        )}
        {recordings.length > 0 && (
          <section>
            <SectionHead title={t("browse.recordings")} />
            <div className={gridClass}>
              {recordings.map((vod) => (
                <VodCard key={vod.id} vod={vod} />
              ))}
            </div>
            <More list={recent} className="mt-8 flex justify-center" />
          </section>
        )}
      </div>
    </div>
  );
}
