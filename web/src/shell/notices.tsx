// Notifications: what they look like and where they lead. The bell's panel and the page share this.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import {
  AtSign,
  CircleCheck,
  CircleX,
  Clapperboard,
  CreditCard,
  DoorOpen,
  FileCheck,
  FileX,
  Gem,
  HardDrive,
  Link2,
  MessageCircle,
  MonitorSmartphone,
  Radio,
  Receipt,
  ShieldAlert,
  TriangleAlert,
  UserCheck,
  UserPlus,
  Users,
  Webhook,
} from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { type NotificationPages, notifications, stream as streamQuery, withRead } from "@/api/queries";
import { useSession } from "@/api/session";
import { type NoticeGroup, othersIn } from "@/features/notifications/groups";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { toast } from "@/ui/toast";

export function useMarkRead() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { queryKey } = notifications();
  return useMutation({
    mutationFn: (ids: readonly string[] | "all") =>
      ids === "all"
        ? unwrap(api.POST("/api/v1/notifications/read-all"))
        : unwrap(api.POST("/api/v1/notifications/read", { body: { ids: [...ids] } })),
    onMutate: async (ids) => {
      await client.cancelQueries({ queryKey });
      client.setQueriesData<NotificationPages>({ queryKey }, (old) => withRead(old, ids));
    },
    onError: (error) => {
      void client.invalidateQueries({ queryKey });
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
  return async ({ head: notice, notices, isRead }: NoticeGroup) => {
    if (!isRead) markRead.mutate(notices.map((one) => one.id));
    if (notice.type === "message") {
      await navigate({ to: "/messages/$room", params: { room: notice.entity_id } });
    } else if (notice.type === "room_invite") {
      await navigate({ to: "/messages" });
    } else if (notice.type === "mention" || notice.type === "unban_answer") {
      const name = notice.channel?.username ?? notice.actor?.username;
      if (name) await navigate({ to: "/c/$username", params: { username: name }, hash: "chat" });
    } else if (notices.length > 1 && me) {
      await navigate({ to: "/c/$username", params: { username: me.username } });
    } else if (notice.type === "recording_stopped") {
      await navigate({ to: "/studio" });
    } else if (notice.type === "webhook_disabled") {
      await navigate({ to: "/studio/webhooks" });
    } else if (notice.type === "file_ready" || notice.type === "file_failed") {
      await navigate({ to: "/files", search: notice.detail ? { q: notice.detail } : {} });
    } else if (notice.type === "payment_submitted") {
      await navigate({ to: "/admin/payments" });
    } else if (notice.entity_type === "payment") {
      await navigate({ to: "/payments/$id", params: { id: notice.entity_id } });
    } else if (notice.type === "plan_ending" || notice.type === "plan_ended") {
      await navigate({ to: "/plans" });
    } else if (notice.type === "share_accessed") {
      await navigate({ to: "/files/shared" });
    } else if (notice.type === "new_sign_in" || notice.type === "sign_in_stolen") {
      await navigate({ to: "/settings", hash: "devices" });
    } else if (notice.type === "friend_request") {
      await navigate({ to: "/friends" });
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
  vod_failed: TriangleAlert,
  new_follower: UserPlus,
  friend_request: UserPlus,
  friend_accepted: UserCheck,
  recording_stopped: HardDrive,
  webhook_disabled: Webhook,
  mention: AtSign,
  room_invite: Users,
  message: MessageCircle,
  unban_answer: DoorOpen,
  file_ready: FileCheck,
  file_failed: FileX,
  payment_submitted: CreditCard,
  payment_approved: CircleCheck,
  payment_rejected: CircleX,
  payment_asked_again: Receipt,
  plan_ending: Gem,
  plan_ended: Gem,
  share_accessed: Link2,
  new_sign_in: MonitorSmartphone,
  sign_in_stolen: ShieldAlert,
} as const;

/** Kinds of which a name says all. */
type PlainKind = Exclude<
  keyof typeof icons,
  | "mention"
  | "room_invite"
  | "unban_answer"
  | "file_ready"
  | "file_failed"
  | "share_accessed"
  | "new_sign_in"
  | "sign_in_stolen"
  | MoneyKind
>;
/** Kinds of which what they are about says all. */
const MONEY = [
  "payment_submitted",
  "payment_approved",
  "payment_rejected",
  "payment_asked_again",
  "plan_ending",
  "plan_ended",
] as const;
type MoneyKind = (typeof MONEY)[number];

/** What a line says, in the language of the page where its kind is known. */
export function noticeText(t: TFunction, group: NoticeGroup): string {
  const { head: notice, notices } = group;
  const name = notice.actor?.display_name;
  const channel = notice.channel?.display_name;
  const detail = notice.detail;
  if (notice.type === "unban_answer" && channel) {
    return t(detail === "accepted" ? "notice.unban_accepted" : "notice.unban_denied", { channel });
  }
  if ((notice.type === "file_ready" || notice.type === "file_failed") && detail) {
    return t(`notice.${notice.type}`, { file: detail });
  }
  const money = MONEY.find((kind) => kind === notice.type);
  if (money) return detail ? t(`notice.${money}`, { name: name ?? "", detail }) : notice.message;
  if (notice.type === "share_accessed" && detail) return t("notice.share_accessed", { name: detail });
  if (notice.type === "new_sign_in") {
    return detail ? t("notice.new_sign_in_from", { from: detail }) : t("notice.new_sign_in");
  }
  if (notice.type === "sign_in_stolen") return t("notice.sign_in_stolen");
  if (!name || !(notice.type in icons)) return notice.message;
  if (notice.type === "message" && detail) return t("notice.message_in", { name, room: detail });
  if (notice.type === "room_invite") {
    return detail ? t("notice.room_invite", { name, room: detail }) : notice.message;
  }
  if (notice.type === "mention") {
    if (!channel) return notice.message;
    const others = othersIn(group);
    if (others > 0) return t("notice.mention_others", { name, channel, count: others });
    return notices.length > 1
      ? t("notice.mention_times", { name, channel, count: notices.length })
      : t("notice.mention", { name, channel });
  }
  if (notices.length > 1) return t("notice.new_followers", { name, count: notices.length - 1 });
  return t(`notice.${notice.type as PlainKind}`, { name });
}

export function NoticeRow({ group, onOpen }: { group: NoticeGroup; onOpen: (group: NoticeGroup) => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { head: notice, notices, isRead } = group;
  const Icon = icons[notice.type as keyof typeof icons] ?? Radio;
  return (
    <button
      type="button"
      data-testid="notification"
      data-read={isRead}
      data-count={notices.length}
      onClick={() => onOpen(group)}
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
        <span className={cx("block text-[15px] leading-snug", isRead ? "text-soft" : "font-semibold")}>
          {noticeText(t, group)}
        </span>
        <span className="text-faint text-sm">{ago(notice.created_at, lang)}</span>
      </span>
      {!isRead && (
        <span className="mt-2 size-2.5 shrink-0 rounded-full bg-melt">
          <span className="sr-only">{t("notice.unread")}</span>
        </span>
      )}
    </button>
  );
}
