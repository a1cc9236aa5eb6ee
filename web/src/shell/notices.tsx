// Notifications: what they look like and where they lead. The bell's panel and the page share this.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Clapperboard, HardDrive, Radio, UserPlus } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { notifications, stream as streamQuery, withRead } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Notification } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { toast } from "@/ui/toast";

export function useMarkRead() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const key = notifications().queryKey;
  return useMutation({
    mutationFn: (id: string) =>
      id === "all"
        ? unwrap(api.POST("/api/v1/notifications/read-all"))
        : unwrap(api.POST("/api/v1/notifications/{id}/read", { params: { path: { id } } })),
    onMutate: async (id) => {
      await client.cancelQueries({ queryKey: key });
      const before = client.getQueryData(key);
      client.setQueryData(key, (old) => withRead(old, id));
      return { before };
    },
    onError: (error, _, context) => {
      client.setQueryData(key, context?.before);
      toast({ kind: "error", title: errorText(t, error) });
    },
  });
}

/** Opens what a notification is about and marks it as read. */
export function useOpenNotice() {
  const navigate = useNavigate();
  const client = useQueryClient();
  const markRead = useMarkRead();
  const me = useSession((session) => session.user);
  return async (notice: Notification) => {
    if (!notice.is_read) markRead.mutate(notice.id);
    if (notice.type === "recording_stopped") {
      await navigate({ to: "/studio" });
    } else if (notice.entity_type === "vod") {
      await navigate({ to: "/v/$id", params: { id: notice.entity_id } });
    } else if (notice.actor) {
      await navigate({ to: "/c/$username", params: { username: notice.actor.username } });
    } else if (notice.entity_type === "stream") {
      const found = await client.fetchQuery(streamQuery(notice.entity_id)).catch(() => null);
      if (found) await navigate({ to: "/c/$username", params: { username: found.channel.username } });
    } else if (me) {
      await navigate({ to: "/c/$username", params: { username: me.username } });
    }
  };
}

const icons = {
  stream_online: Radio,
  vod_ready: Clapperboard,
  new_follower: UserPlus,
  recording_stopped: HardDrive,
} as const;

export function NoticeRow({
  notice,
  onOpen,
}: {
  notice: Notification;
  onOpen: (notice: Notification) => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const Icon = icons[notice.type as keyof typeof icons] ?? Radio;
  const text =
    notice.actor && notice.type in icons
      ? t(`notice.${notice.type as keyof typeof icons}`, { name: notice.actor.display_name })
      : notice.message;
  return (
    <button
      type="button"
      data-testid="notification"
      data-read={notice.is_read}
      onClick={() => onOpen(notice)}
      className="flex w-full items-start gap-3.5 rounded-md px-3 py-3 text-left hover:bg-raised"
    >
      <span
        className={cx(
          "mt-0.5 grid size-9 shrink-0 place-items-center rounded-full",
          notice.type === "stream_online" ? "bg-live-wash text-live-text" : "bg-melt-wash text-melt",
        )}
      >
        <Icon aria-hidden="true" className="size-[18px]" />
      </span>
      <span className="min-w-0 flex-1">
        <span
          className={cx("block text-[15px] leading-snug", notice.is_read ? "text-soft" : "font-semibold")}
        >
          {text}
        </span>
        <span className="text-faint text-sm">{ago(notice.created_at, lang)}</span>
      </span>
      {!notice.is_read && (
        <span className="mt-2 size-2.5 shrink-0 rounded-full bg-melt">
          <span className="sr-only">{t("notice.unread")}</span>
        </span>
      )}
    </button>
  );
}
