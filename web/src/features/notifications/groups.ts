// Notifications that say the same of different people are one line. Nothing is lost: a group keeps all of its notifications.
import type { Notification } from "@/api/types";

/** Followers who came within this time of the newest are told together. */
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
  let open: NoticeGroup | null = null;
  for (const notice of notices) {
    if (notice.type !== "new_follower") {
      groups.push({ head: notice, notices: [notice], isRead: notice.is_read });
    } else if (open && open.notices.length < GROUP_MAX && isNear(open.head, notice)) {
      open.notices.push(notice);
      open.isRead &&= notice.is_read;
    } else {
      open = { head: notice, notices: [notice], isRead: notice.is_read };
      groups.push(open);
    }
  }
  return groups;
}

function isNear(newer: Notification, older: Notification): boolean {
  return Date.parse(newer.created_at) - Date.parse(older.created_at) <= SPAN_MS;
}
