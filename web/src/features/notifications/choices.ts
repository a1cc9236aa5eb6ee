// Kinds of notification and the ways they reach a member.
import type { NotificationSettings } from "@/api/types";

export const KNOWN_KINDS = [
  "stream_online",
  "vod_ready",
  "vod_failed",
  "new_follower",
  "friend_request",
  "friend_accepted",
  "recording_stopped",
  "webhook_disabled",
  "mention",
  "room_invite",
  "message",
  "unban_answer",
  "file_ready",
  "file_failed",
  "payment_submitted",
  "payment_approved",
  "payment_rejected",
  "payment_asked_again",
  "plan_ending",
  "plan_ended",
  "share_accessed",
  "new_sign_in",
  "sign_in_stolen",
] as const;
export type KnownKind = (typeof KNOWN_KINDS)[number];
export type Way = "in_app" | "push" | "mail";

export function isKnownKind(type: string): type is KnownKind {
  return (KNOWN_KINDS as readonly string[]).includes(type);
}

/** The settings with one choice changed. */
export function withChoice(
  old: NotificationSettings | undefined,
  type: string,
  way: Way,
  isOn: boolean,
): NotificationSettings | undefined {
  if (!old) return old;
  return { ...old, types: old.types.map((one) => (one.type === type ? { ...one, [way]: isOn } : one)) };
}
