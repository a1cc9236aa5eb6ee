import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ArrowRight } from "lucide-react";
import { useTranslation } from "react-i18next";
import { liveStreams, vods } from "@/api/queries";
import { useSession } from "@/api/session";
import { CategoryChips } from "@/features/cards/CategoryChips";
import { CardSkeletons, gridClass, Spotlight, StreamCard, VodCard } from "@/features/cards/cards";
import { ContinueWatching } from "@/features/vod/ContinueWatching";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { More } from "@/ui/more";

const route = getRouteApi("/shell/");

export function Home() {
  const { t } = useTranslation();
  const { category } = route.useSearch();
  return (
    <div className="container-page pt-5">
      <PageHead title={t("home.title")} isHidden />
      <CategoryChips active={category} to="/" />
      <div className="mt-6 flex flex-col gap-14">
        <LiveNow category={category} />
        {!category && <ContinueWatching />}
        <Recent category={category} />
      </div>
    </div>
  );
}

function LiveNow({ category }: { category?: string }) {
  const { t } = useTranslation();
  const isSignedIn = useSession((session) => session.status === "signed-in");
  const live = useQuery(liveStreams({ category }));
  const [first, ...rest] = live.data?.items ?? [];
  return (
    <section aria-labelledby="live-now" aria-busy={live.isPending}>
      <div id="live-now">
        <SectionHead title={t("home.live")} />
      </div>
      {live.isPending && (
        <div className="flex flex-col gap-8">
          <Skeleton className="aspect-[16/7] max-h-[460px] rounded-lg max-lg:aspect-video" />
          <CardSkeletons count={4} />
        </div>
      )}
      {live.isError && !live.data && <ErrorState error={live.error} onRetry={() => void live.refetch()} />}
      {live.data && !first && (
        <Empty
          title={t("home.nobody_live")}
          action={
            <Link
              to={isSignedIn ? "/studio" : "/signup"}
              search={isSignedIn ? undefined : { next: "/studio" }}
              className={buttonClass("solid")}
            >
              {t("home.be_first")}
            </Link>
          }
        >
          {t("home.nobody_live_text")}
        </Empty>
      )}
      {first && (
        <div className="flex flex-col gap-8">
          <Spotlight stream={first} />
          {rest.length > 0 && (
            <div className={gridClass}>
              {rest.map((stream) => (
                <StreamCard key={stream.id} stream={stream} />
              ))}
            </div>
          )}
        </div>
      )}
    </section>
  );
}

function Recent({ category }: { category?: string }) {
  const { t } = useTranslation();
  const recent = useInfiniteQuery(vods({ category, sort: "recent" }));
  const items = recent.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section aria-busy={recent.isPending}>
      <SectionHead
        title={t("home.recent")}
        to={
          <Link to="/browse" search={{ category }} className={buttonClass("ghost", "s")}>
            {t("home.see_all")}
            <ArrowRight />
          </Link>
        }
      />
      {recent.isPending && <CardSkeletons count={8} />}
      {recent.isError && !recent.data && (
        <ErrorState error={recent.error} onRetry={() => void recent.refetch()} />
      )}
      {recent.data && items.length === 0 && <Empty title={t("home.no_vods")}>{t("home.no_vods_text")}</Empty>}
      <div className={gridClass}>
        {items.map((vod) => (
          <VodCard key={vod.id} vod={vod} />
        ))}
      </div>
      <More list={recent} className="mt-8 flex justify-center" />
    </section>
  );
}
