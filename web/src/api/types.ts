// The app's names for what the API returns. Only this file knows what the generated schemas are called.
import type { components } from "./schema";

export type Schemas = components["schemas"];
export type User = Schemas["User"];
export type SignIn = Schemas["SignIn"];
export type ApiToken = Schemas["ApiTokenView"];
export type ApiScope = Schemas["ApiScope"];
export type Channel = Schemas["Channel"];
export type ChannelRef = Schemas["ChannelRef"];
export type FollowedChannel = Schemas["FollowedChannel"];
export type Friend = Schemas["Friend"];
export type FriendPage = Schemas["FriendPage"];
export type Circle = Schemas["Circle"];
export type Letters = Schemas["Letters"];
export type Sight = Schemas["Sight"];
export type Presence = Schemas["Presence"];
export type Room = Schemas["Room"];
export type RoomPage = Schemas["RoomPage"];
export type RoomPerson = Schemas["RoomPerson"];
export type RoomMember = Schemas["RoomMember"];
export type RoomRole = Schemas["RoomRole"];
export type RoomInvitation = Schemas["RoomInvitation"];
export type Stream = Schemas["Stream"];
export type Vod = Schemas["Vod"];
export type Clip = Schemas["Clip"];
export type VodClips = Schemas["VodClips"];
export type Clippers = Schemas["Clippers"];
export type Visibility = Schemas["Visibility"];
export type Category = Schemas["Category"];
export type Notification = Schemas["Notification"];
export type NotificationPage = Schemas["NotificationPage"];
export type NotificationSettings = Schemas["NotificationSettings"];
export type UpdateNotificationSettings = Schemas["UpdateNotificationSettings"];
export type Bell = Schemas["Bell"];
export type StreamSettings = Schemas["StreamSettings"];
export type StreamKey = Schemas["StreamKey"];
export type Webhook = Schemas["Webhook"];
export type WebhookEvent = Schemas["WebhookEvent"];
export type NewWebhook = Schemas["NewWebhookBody"];
export type UpdateWebhook = Schemas["UpdateWebhook"];
export type WebhookDelivery = Schemas["WebhookDelivery"];
export type WebhookDeliveryState = Schemas["WebhookDeliveryState"];
export type LastStream = Schemas["LastStream"];
export type IngestHealth = Schemas["IngestHealth"];
export type IngestSample = Schemas["IngestSample"];
export type IngestFinding = Schemas["IngestFinding"];
export type IngestIssue = Schemas["IngestIssue"];
export type ChannelAnalytics = Schemas["ChannelAnalytics"];
export type StreamAnalytics = Schemas["StreamAnalytics"];
export type AnalyticsStep = Schemas["AnalyticsStep"];
export type AnalyticsSources = Schemas["AnalyticsSources"];
export type IngestVerdict = Schemas["IngestVerdict"];

/** The author of a message in a room. Without names: the account is gone or not in use. */
export type RoomAuthor = {
  id: string;
  username: string | null;
  display_name: string | null;
  avatar_url: string | null;
};

export type RoomReaction = { emoji: string; user_ids: string[] };

/** A picture or file of a message. Where it lies is told once it is ready. */
export type RoomAttachment = {
  id: string;
  name: string;
  type: "image" | "file";
  mime: string;
  bytes: number;
  width?: number | null;
  height?: number | null;
  state: "checking" | "ready" | "infected" | "failed";
  thumbnail_url?: string | null;
  url?: string | null;
};

/** Something said in a room, as the socket sends it. */
export type RoomMessage = {
  id: string;
  room_id: string;
  user: RoomAuthor;
  text: string;
  client_id: string;
  sent_at: string;
  reply_to?: {
    id: string;
    user: RoomAuthor | null;
    text: string;
    attachment?: RoomAttachment["type"] | null;
    is_deleted: boolean;
  };
  attachment?: RoomAttachment;
  reactions?: RoomReaction[];
  edited_at?: string;
  changed_at?: string;
};

/** The author of a chat line, as the socket sends it. */
export type ChatUser = { id: string; username: string; display_name: string; badges: string[] };

export type ChatReaction = { emoji: string; count: number; is_mine?: boolean };

/** What a line answers, as it is now. */
export type ChatAnswered = {
  id: string;
  user: { id: string; username: string; display_name: string } | null;
  text: string;
  is_deleted: boolean;
};

/** One stored chat line. Ids are UUIDv7: their text order is their order in time. */
export type ChatMessage = {
  id: string;
  username: string;
  user: ChatUser;
  text: string;
  client_id: string | null;
  sent_at: string;
  stream_id: string | null;
  offset_ms: number | null;
  kind?: "message" | "announcement";
  reply_to?: ChatAnswered;
  thread_id?: string;
  mentions?: { id: string; username: string }[];
  /** Addresses of the emotes' pictures, by name. */
  emotes?: Record<string, string>;
  reactions?: ChatReaction[];
  edited_at?: string;
  changed_at?: string;
  deleted?: boolean;
};

export type ChatModes = {
  slow_s?: number | null;
  followers_only_s?: number | null;
  emote_only?: boolean;
  unique?: boolean;
  links?: "allow" | "block" | "hold";
  shield?: boolean;
};

/** What a moderator did, as the desk is told it and the log keeps it. An act that was taken back has another one that `undoes` it. */
export type ModAct = {
  act_id: string;
  username: string;
  actor: string;
  action: string;
  target: string | null;
  reason: string;
  detail: {
    seconds?: number | null;
    ends_at?: string | null;
    struck?: boolean;
    message_id?: string;
    text?: string;
    action?: string;
    before?: ChatModes | null;
    after?: ChatModes | null;
    pattern?: string;
  } | null;
  undoes: string | null;
  at: string;
  undo_until: string | null;
};

/** A line that waits for a moderator. */
export type HeldLine = Schemas["HeldLine"];

/** Something of a channel's chat that viewers reported. */
export type ReportCase = Schemas["ReportCase"];
/** Somebody who is banned and asks to be let in again. */
export type UnbanRequest = Schemas["UnbanRequest"];

/** What a moderator wants done. */
export type ModDeed =
  | { action: "timeout"; member: string; seconds: number; strike?: boolean }
  | { action: "ban"; member: string; strike?: boolean }
  | { action: "unban" | "warn"; member: string }
  | { action: "delete"; message_id: string }
  | { action: "approve" | "deny"; held_id: string }
  | { action: "clear"; member?: string }
  | { action: "modes"; modes: ChatModes }
  | { action: "shield"; on: boolean };

/** The caller's place in a channel's chat. A sanction without `until` is a ban. */
export type ChatStanding = {
  is_moderator: boolean;
  sanction: { until: string | null; reason: string } | null;
  warning: { reason: string } | null;
  follows_since: string | null;
};
