import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CheckCheck, Settings } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type NoticeFilter, notifications } from "@/api/queries";
import { grouped } from "@/features/notifications/groups";
import { NoticeRow, useMarkRead, useOpenNotice } from "@/shell/notices";
import { PageHead } from "@/shell/PageHead";
import { Empty, ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { More } from "@/ui/more";
import { Segmented } from "@/ui/segmented";
import { RequireUser } from "./RequireUser";

const FILTERS = [
  "all",
  "unread",
  "stream_online",
  "vod_ready",
  "new_follower",
  "mention",
  "message",
] as const;
type FilterName = (typeof FILTERS)[number];

function filterOf(name: FilterName): NoticeFilter | undefined {
  if (name === "all") return undefined;
  return name === "unread" ? { unread: true } : { type: name };
}

export function NotificationsPage() {
  return <RequireUser>{() => <List />}</RequireUser>;
}

function List() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<FilterName>("all");
  const list = useInfiniteQuery(notifications(filterOf(filter)));
  const markRead = useMarkRead();
  const open = useOpenNotice();
  const groups = grouped(list.data?.pages.flatMap((page) => page.items) ?? []);
  const unread = list.data?.pages[0]?.unread_count ?? 0;
  return (
    <div className="container-page max-w-[760px] pt-8">
      <PageHead title={t("notice.title")}>
        <div className="flex flex-wrap gap-2">
          <Button size="s" disabled={unread === 0} onClick={() => markRead.mutate("all")}>
            <CheckCheck />
            {t("notice.read_all")}
          </Button>
          <Link to="/settings" hash="notifications" className={buttonClass("ghost", "s")}>
            <Settings />
            {t("notice.choose")}
          </Link>
        </div>
      </PageHead>
      <div className="-mx-1 mb-5 overflow-x-auto px-1 pb-1" data-testid="notice-filter">
        <div className="w-max">
          <Segmented
            label={t("notice.filter.label")}
            value={filter}
            onChange={setFilter}
            options={FILTERS.map((value) => ({ value, label: t(`notice.filter.${value}`) }))}
          />
        </div>
      </div>
      {list.isPending && (
        <div className="flex flex-col gap-3">
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
          <Skeleton className="h-16" />
        </div>
      )}
      {list.isError && !list.data && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
      {list.data && groups.length === 0 && (
        <Empty title={t("notice.empty")}>
          {filter === "all" ? t("notice.empty_text") : t("notice.empty_filter")}
        </Empty>
      )}
      {groups.length > 0 && (
        <ul className="flex flex-col gap-0.5 rounded-lg border border-line bg-surface p-2">
          {groups.map((group) => (
            <li key={group.head.id}>
              <NoticeRow group={group} onOpen={(opened) => void open(opened)} />
            </li>
          ))}
        </ul>
      )}
      <More list={list} className="mt-6 flex justify-center" />
    </div>
  );
}
