// Notifications that say the same of different people are one line. Nothing is lost: a group keeps all of its notifications.
import type { Notification } from "@/api/types";

/** Followers who came, and mentions in one chat, within this time of the newest are told together. */
const SPAN_MS = 60 * 60_000;
/** As many as one request may mark as read. */
export const GROUP_MAX = 100;

export type NoticeGroup = {
  /** The newest; the group stands where it stood. */
  head: Notification;
  /** All of them, newest first. */
  notices: Notification[];
  isRead: boolean;
};

/** Groups a list that is sorted newest first. */
export function grouped(notices: readonly Notification[]): NoticeGroup[] {
  const groups: NoticeGroup[] = [];
  const open = new Map<string, NoticeGroup>();
  for (const notice of notices) {
    const subject = subjectOf(notice);
    const group = subject === null ? undefined : open.get(subject);
    if (group && group.notices.length < GROUP_MAX && isNear(group.head, notice)) {
      group.notices.push(notice);
      group.isRead &&= notice.is_read;
      continue;
    }
    const fresh = { head: notice, notices: [notice], isRead: notice.is_read };
    groups.push(fresh);
    if (subject !== null) open.set(subject, fresh);
  }
  return groups;
}

/** What notifications have in common that are told together. */
function subjectOf(notice: Notification): string | null {
  if (notice.type === "new_follower") return "followers";
  return notice.type === "mention" && notice.channel ? `mentions ${notice.channel.username}` : null;
}

/** How many people besides the newest a group is about. */
export function othersIn({ head, notices }: NoticeGroup): number {
  const names = new Set(notices.map((notice) => notice.actor?.username ?? notice.id));
  names.delete(head.actor?.username ?? head.id);
  return names.size;
}

function isNear(newer: Notification, older: Notification): boolean {
  return Date.parse(newer.created_at) - Date.parse(older.created_at) <= SPAN_MS;
}
