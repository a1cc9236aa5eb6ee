import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { useTranslation } from "react-i18next";
import { shareLinks } from "@/features/shares/api";
import { LinkCard } from "@/features/shares/LinkCard";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { More } from "@/ui/more";
import { RequireUser } from "./RequireUser";

export function SharedLinksPage() {
  return <RequireUser>{() => <List />}</RequireUser>;
}

/** All links of the member, those that are over too. */
function List() {
  const { t } = useTranslation();
  const list = useInfiniteQuery(shareLinks(null));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const toFiles = (
    <Link to="/files" className={buttonClass("soft")}>
      <ArrowLeft />
      {t("files.title")}
    </Link>
  );
  return (
    <div className="container-page max-w-[860px] pt-8">
      <PageHead title={t("shares.title")}>{toFiles}</PageHead>
      <p className="mb-6 max-w-prose text-soft">{t("shares.lead")}</p>
      {list.isPending && (
        <div className="flex flex-col gap-3" aria-busy="true">
          <Skeleton className="h-36" />
          <Skeleton className="h-36" />
          <Skeleton className="h-36" />
        </div>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && items.length === 0 && <Empty title={t("shares.empty")}>{t("shares.empty_text")}</Empty>}
      <ul className="flex flex-col gap-4" aria-label={t("shares.title")}>
        {items.map((link) => (
          <LinkCard key={link.id} link={link} hasName />
        ))}
      </ul>
      <More list={list} className="mt-6 flex justify-center" />
    </div>
  );
}
