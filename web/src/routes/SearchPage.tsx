import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { WifiOff } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { categories as allCategories } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Category } from "@/api/types";
import { isEnough } from "@/features/rooms/found";
import { categoriesFor, overview, results, type SearchKind } from "@/features/search/api";
import { CategoryHits, ChannelHits, FileHits, VodHits } from "@/features/search/Hits";
import { useRecent } from "@/features/search/recent";
import { TABS, type Tab } from "@/features/search/tabs";
import { categoryName } from "@/i18n/categoryName";
import { cx } from "@/lib/cx";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, SectionHead, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { More } from "@/ui/more";

const route = getRouteApi("/shell/search");

export function SearchPage() {
  const { t } = useTranslation();
  const { q = "", of: kind } = route.useSearch();
  const isEmpty = !isEnough(q);
  return (
    <div className="container-page pt-8">
      <PageHead title={isEmpty ? t("search.title") : t("browse.results", { q })} />
      {isEmpty ? (
        <Ask q={q} />
      ) : (
        <>
          <Tabs q={q} kind={kind} />
          <div className="mt-7 flex flex-col gap-10" data-testid="search-results" data-kind={kind ?? "all"}>
            {kind === undefined && <All q={q} />}
            {kind === "category" && <Categories q={q} />}
            {kind !== undefined && kind !== "category" && <OfKind key={kind} q={q} kind={kind} />}
          </div>
        </>
      )}
    </div>
  );
}

/** Nothing to look for yet: how to begin, and what one looked for before. */
function Ask({ q }: { q: string }) {
  const { t } = useTranslation();
  const recent = useRecent();
  return (
    <div className="flex flex-col gap-8">
      <Empty title={t(q ? "search.too_short" : "search.ask")}>{t("search.ask_text")}</Empty>
      {recent.list.length > 0 && (
        <section>
          <SectionHead title={t("search.recent")} />
          <ul className="flex flex-wrap gap-2">
            {recent.list.map((one) => (
              <li key={one}>
                <Link to="/search" search={{ q: one }} className={buttonClass("soft", "s")}>
                  {one}
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Tabs({ q, kind }: { q: string; kind: Tab | undefined }) {
  const { t } = useTranslation();
  const isSignedIn = useSession((session) => session.status === "signed-in");
  const tabs = [undefined, ...TABS.filter((tab) => tab !== "file" || isSignedIn)];
  return (
    <nav aria-label={t("search.tabs")} className="-mx-1 overflow-x-auto px-1 py-1 [scrollbar-width:none]">
      <ul className="flex gap-2">
        {tabs.map((tab) => (
          <li key={tab ?? "all"}>
            <Link
              to="/search"
              search={{ q, of: tab }}
              replace
              aria-current={tab === kind ? "page" : undefined}
              data-testid={`search-tab-${tab ?? "all"}`}
              className={cx(
                "inline-flex h-9 items-center whitespace-nowrap rounded-full border px-4 font-semibold text-sm transition-colors",
                tab === kind
                  ? "border-melt bg-melt text-on-melt"
                  : "border-line bg-surface text-soft hover:border-line-strong hover:text-text",
              )}
            >
              {t(`search.tab.${tab ?? "all"}`)}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function useFittingCategories(q: string): Category[] {
  const { t } = useTranslation();
  const known = useQuery(allCategories());
  return categoriesFor(known.data?.items ?? [], q, (one) => categoryName(t, one));
}

/** The best of each kind. */
function All({ q }: { q: string }) {
  const { t } = useTranslation();
  const found = useQuery(overview(q));
  const categories = useFittingCategories(q);
  const { channels = [], vods = [], files = [], more = [] } = found.data ?? {};
  const count = channels.length + vods.length + files.length + categories.length;
  return (
    <>
      <Said list={found} count={count} />
      {channels.length > 0 && (
        <Part title={t("search.tab.channel")} q={q} kind="channel" hasMore={more.includes("channel")}>
          <ChannelHits channels={channels} q={q} />
        </Part>
      )}
      {categories.length > 0 && (
        <Part title={t("search.tab.category")} q={q} kind="category" hasMore={false}>
          <CategoryHits categories={categories} q={q} />
        </Part>
      )}
      {vods.length > 0 && (
        <Part title={t("search.tab.vod")} q={q} kind="vod" hasMore={more.includes("vod")}>
          <VodHits vods={vods} />
        </Part>
      )}
      {files.length > 0 && (
        <Part title={t("search.tab.file")} q={q} kind="file" hasMore={more.includes("file")}>
          <FileHits files={files} q={q} />
        </Part>
      )}
    </>
  );
}

/** One kind among all. */
function Part({
  title,
  q,
  kind,
  hasMore,
  children,
}: {
  title: string;
  q: string;
  kind: Tab;
  hasMore: boolean;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  return (
    <section aria-label={title} data-testid={`found-${kind}`}>
      <SectionHead
        title={title}
        action={
          hasMore && (
            <Link
              to="/search"
              search={{ q, of: kind }}
              className={buttonClass("ghost", "s")}
              data-testid={`more-${kind}`}
            >
              {t(`search.all.${kind}`)}
            </Link>
          )
        }
      />
      {children}
    </section>
  );
}

function OfKind({ q, kind }: { q: string; kind: SearchKind }) {
  const list = useInfiniteQuery(results(q, kind));
  const pages = list.data?.pages ?? [];
  const channels = pages.flatMap((page) => page.channels);
  const vods = pages.flatMap((page) => page.vods);
  const files = pages.flatMap((page) => page.files);
  return (
    <>
      <Said list={list} count={channels.length + vods.length + files.length} />
      {channels.length > 0 && <ChannelHits channels={channels} q={q} />}
      {vods.length > 0 && <VodHits vods={vods} />}
      {files.length > 0 && <FileHits files={files} q={q} />}
      <More list={list} />
    </>
  );
}

function Categories({ q }: { q: string }) {
  const known = useQuery(allCategories());
  const fitting = useFittingCategories(q);
  return (
    <>
      <Said list={known} count={fitting.length} />
      {fitting.length > 0 && <CategoryHits categories={fitting} q={q} />}
    </>
  );
}

type Asked = {
  data: unknown;
  error: unknown;
  isPending: boolean;
  isError: boolean;
  fetchStatus: "fetching" | "paused" | "idle";
  refetch: () => unknown;
};

/** How it stands: on its way, without a line, failed, nothing, or so many. */
function Said({ list, count }: { list: Asked; count: number }) {
  const { t } = useTranslation();
  const isOffline = list.isPending && list.fetchStatus === "paused";
  const isLoading = list.isPending && !isOffline;
  return (
    <>
      <p role="status" className="sr-only">
        {isLoading ? t("browse.loading") : list.data ? t("browse.found", { count }) : ""}
      </p>
      {isLoading && (
        <div className="flex flex-col gap-3" aria-hidden="true">
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
        </div>
      )}
      {isOffline && (
        <p className="flex items-center gap-2.5 text-soft" data-testid="search-offline">
          <WifiOff aria-hidden="true" className="size-5" />
          {t("search.offline")}
        </p>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {Boolean(list.data) && count === 0 && (
        <Empty
          title={t("browse.nothing")}
          action={
            <Link to="/browse" className={buttonClass("solid")}>
              {t("nav.browse")}
            </Link>
          }
        >
          {t("search.nothing_text")}
        </Empty>
      )}
    </>
  );
}
