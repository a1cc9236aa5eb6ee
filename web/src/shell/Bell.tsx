import { Popover } from "@base-ui/react/popover";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Bell as BellIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { following, type NotificationPages, notifications, withNotification, withRead } from "@/api/queries";
import type { Notification } from "@/api/types";
import { grouped } from "@/features/notifications/groups";
import { getSocket } from "@/realtime/socket";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button, buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";
import { NoticeRow, noticeText, useMarkRead, useOpenNotice } from "./notices";

const PANEL_MAX = 12;

/** The bell of somebody who is signed in: count, panel, and what the socket brings. */
export function Bell() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const list = useInfiniteQuery(notifications());
  const markRead = useMarkRead();
  const open = useOpenNotice();

  useEffect(() => {
    const socket = getSocket();
    const key = notifications().queryKey;
    const onNotification = (notice: Notification) => {
      const known = client
        .getQueryData(key)
        ?.pages.some((page) => page.items.some((item) => item.id === notice.id));
      client.setQueryData(key, (old) => withNotification(old, notice));
      // Lists that show only some cannot know whether this one belongs to them.
      void client.invalidateQueries({
        predicate: ({ queryKey }) => queryKey[0] === key[0] && queryKey.length > 1,
      });
      if (!client.getQueryData(key)) void client.invalidateQueries({ queryKey: key });
      if (notice.type === "stream_online") void client.invalidateQueries({ queryKey: following().queryKey });
      if (!known) {
        toast({ title: noticeText(t, { head: notice, notices: [notice], isRead: notice.is_read }) });
      }
    };
    // What was missed while the line was down is on the server.
    const onConnect = () => void client.invalidateQueries({ queryKey: key });
    const onRead = (event: { ids?: string[]; all?: boolean; unread_count: number }) =>
      client.setQueriesData<NotificationPages>({ queryKey: key }, (old) =>
        withRead(old, event.all ? "all" : (event.ids ?? []), event.unread_count),
      );
    socket.on("notification", onNotification);
    socket.on("notification:read", onRead);
    socket.io.on("reconnect", onConnect);
    return () => {
      socket.off("notification", onNotification);
      socket.off("notification:read", onRead);
      socket.io.off("reconnect", onConnect);
    };
  }, [client, t]);

  const unread = list.data?.pages[0]?.unread_count ?? 0;
  const groups = grouped(list.data?.pages.flatMap((page) => page.items) ?? []).slice(0, PANEL_MAX);
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen}>
      <Popover.Trigger
        data-testid="bell"
        aria-label={t("notice.bell", { count: unread })}
        className="relative grid size-10 place-items-center rounded-full text-soft hover:bg-raised hover:text-text"
      >
        <BellIcon className="size-5" />
        {unread > 0 && (
          <span
            data-testid="bell-count"
            aria-hidden="true"
            className="tabular absolute top-0.5 right-0 grid h-[18px] min-w-[18px] place-items-center rounded-full bg-live px-1 font-bold text-[11px] text-on-live"
          >
            {unread > 99 ? "99+" : unread}
          </span>
        )}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={8} align="end" className="z-50">
          <Popover.Popup
            className="popup flex max-h-[min(560px,80dvh)] w-[min(400px,calc(100vw-24px))] flex-col"
            data-testid="bell-panel"
          >
            <div className="flex items-center justify-between gap-4 border-line border-b px-4 py-2.5">
              <Popover.Title className="font-bold font-display text-lg">{t("notice.title")}</Popover.Title>
              <Button
                look="ghost"
                size="s"
                disabled={unread === 0}
                onClick={() => markRead.mutate("all")}
                data-testid="read-all"
              >
                {t("notice.read_all")}
              </Button>
            </div>
            <div className="min-h-0 flex-1 overflow-y-auto p-1.5">
              {list.isPending && <Skeleton className="m-2 h-14" />}
              {list.isError && <ErrorState error={list.error} onRetry={() => void list.refetch()} />}
              {list.data && groups.length === 0 && <p className="px-3 py-6 text-soft">{t("notice.empty")}</p>}
              {groups.map((group) => (
                <NoticeRow
                  key={group.head.id}
                  group={group}
                  onOpen={(opened) => {
                    setOpen(false);
                    void open(opened);
                  }}
                />
              ))}
            </div>
            <div className="border-line border-t p-2">
              <Link
                to="/notifications"
                onClick={() => setOpen(false)}
                className={buttonClass("ghost", "s", "w-full")}
              >
                {t("notice.see_all")}
              </Link>
            </div>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
