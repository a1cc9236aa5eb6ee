import { useInfiniteQuery } from "@tanstack/react-query";
import { CheckCheck } from "lucide-react";
import { useTranslation } from "react-i18next";
import { notifications } from "@/api/queries";
import { NoticeRow, useMarkRead, useOpenNotice } from "@/shell/notices";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { RequireUser } from "./RequireUser";

export function NotificationsPage() {
  return <RequireUser>{() => <List />}</RequireUser>;
}

function List() {
  const { t } = useTranslation();
  const list = useInfiniteQuery(notifications());
  const markRead = useMarkRead();
  const open = useOpenNotice();
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const unread = list.data?.pages[0]?.unread_count ?? 0;
  return (
    <div className="container-page max-w-[760px] pt-8">
      <PageHead title={t("notice.title")}>
        <Button size="s" disabled={unread === 0} onClick={() => markRead.mutate("all")}>
          <CheckCheck />
          {t("notice.read_all")}
        </Button>
      </PageHead>
      {list.isPending && (
        <div className="flex flex-col gap-3">
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
        </div>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && items.length === 0 && <Empty title={t("notice.empty")}>{t("notice.empty_text")}</Empty>}
      {items.length > 0 && (
        <ul className="flex flex-col gap-0.5 rounded-lg border border-line bg-surface p-2">
          {items.map((notice) => (
            <li key={notice.id}>
              <NoticeRow notice={notice} onOpen={(opened) => void open(opened)} />
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage && (
        <div className="mt-6 flex justify-center">
          <Button onClick={() => void list.fetchNextPage()} isBusy={list.isFetchingNextPage}>
            {t("actions.more")}
          </Button>
        </div>
      )}
    </div>
  );
}
