//! Facts other parts must hear of. Each is written to the outbox in the transaction that made it true.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::ids::{
    DeliveryId, FileId, MessageId, PaymentId, PublishId, RoomId, SessionId, ShareId, StreamId, UserId, VersionId,
    VodId, WebhookId,
};
use crate::payment::{PaymentStatus, Plan};
use crate::user::{Email, Username};
use crate::visibility::Visibility;
use crate::webhook::Happening;

/// What became of a member's two-factor sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TwoFactorChange {
    On,
    Off,
    /// The recovery codes from before are good for nothing any more.
    NewCodes,
    /// Somebody signed in with a recovery code.
    RecoveryUsed,
    /// Turned off by an administrator or the operator.
    Reset,
}

impl TwoFactorChange {
    pub const ALL: [Self; 5] = [Self::On, Self::Off, Self::NewCodes, Self::RecoveryUsed, Self::Reset];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::NewCodes => "new_codes",
            Self::RecoveryUsed => "recovery_used",
            Self::Reset => "reset",
        }
    }
}

/// An outbox payload. The tag and the fields are stored: add, never rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first picture of a new stream has arrived. Once per stream.
    StreamOnline { stream_id: StreamId, channel_id: UserId, username: Username },
    /// The broadcaster's connection is lost and the reconnect window is open.
    StreamReconnecting { stream_id: StreamId, channel_id: UserId, username: Username, until: crate::Timestamp },
    /// The broadcaster is back within the window.
    StreamResumed { stream_id: StreamId, channel_id: UserId, username: Username },
    /// The stream is over for good. Once per stream.
    StreamOffline { stream_id: StreamId, channel_id: UserId, username: Username },
    /// Whom a stream on air is for was changed.
    StreamAccess { stream_id: StreamId, channel_id: UserId, username: Username, was: Visibility, now: Visibility },
    /// What a stream on air is called, or whom it is for, was changed.
    StreamUpdated { stream_id: StreamId, channel_id: UserId, username: Username },
    /// One RTMP publish ended; the operator's `on_publish_done` is owed. Once per publish.
    PublishDone { publish_id: PublishId },
    /// The recording is complete and playable.
    VodReady { vod_id: VodId, channel_id: UserId, username: Username },
    /// Nothing can be played of a recording.
    VodFailed { vod_id: VodId, channel_id: UserId, username: Username },
    /// The recording's row is gone for viewers; its objects must go too.
    VodDeleted { vod_id: VodId, object_prefix: String },
    /// A channel's room is full: the stream goes on and is recorded no further. Once per stream.
    RecordingStopped { stream_id: StreamId, channel_id: UserId, username: Username },
    /// Somebody follows a channel for the first time.
    Followed { channel_id: UserId, follower_id: UserId },
    /// Somebody asks a member for a friendship.
    FriendAsked { user_id: UserId, asker_id: UserId },
    /// A member said yes to whoever asked.
    FriendAccepted { user_id: UserId, asker_id: UserId },
    /// A chat line names members, in the order of their names in it.
    Mentioned {
        message_id: MessageId,
        channel_id: UserId,
        author_id: UserId,
        /// What was on air, if anything was.
        stream_id: Option<StreamId>,
        user_ids: Vec<UserId>,
    },
    /// A member is invited to a group.
    RoomInvited { room_id: RoomId, user_id: UserId },
    /// A request to be let into a chat again was answered.
    UnbanAnswered { request_id: uuid::Uuid },
    /// A member asks for mail; whether the address is theirs is not known yet.
    MailAsked { user_id: UserId },
    /// Somebody who says this is their address has forgotten their password. Whether anybody has it is not known yet.
    ResetAsked { email: Email, at: Timestamp },
    /// A member has another password.
    PasswordChanged { user_id: UserId },
    /// How a member's sign-ins are secured is not what it was.
    TwoFactorChanged { user_id: UserId, change: TwoFactorChange },
    /// A moderator did something in a channel's chat whose owner wants to hear of it elsewhere.
    ChatModerated { channel_id: UserId, act_id: uuid::Uuid },
    /// There is something for an endpoint that was not written by the relay itself.
    WebhookDue { webhook_id: WebhookId },
    /// A file is here, whole; what it is has to be looked into.
    FileArrived { version_id: VersionId },
    /// A version of a member's file is complete.
    FileReady { file_id: FileId, version_id: VersionId, owner_id: UserId },
    /// Nothing became of a version of a member's file.
    FileFailed { file_id: FileId, version_id: VersionId, owner_id: UserId },
    /// A payment is not where it was.
    PaymentChanged { payment_id: PaymentId, user_id: UserId, status: PaymentStatus },
    /// A member's plan ends soon, or is over. Once each: `notice_id` is that telling's own.
    PlanNotice { user_id: UserId, notice_id: uuid::Uuid, plan: Plan, ends_at: Timestamp, is_over: bool },
    /// Somebody opened a share link whose owner wants to know, and has not been told of it for a while.
    ShareAccessed { link_id: ShareId, access_id: uuid::Uuid, owner_id: UserId },
    /// Somebody signed in as a member from where the member has not been seen before; `from` is what is known of that.
    SignedInAnew { user_id: UserId, session_id: SessionId, from: String },
    /// A refresh token was used a second time: one of its two holders is a thief, and both are signed out.
    SignInStolen { user_id: UserId, session_id: SessionId },
    /// An endpoint was switched off because of what came of a delivery.
    WebhookDisabled { channel_id: UserId, webhook_id: WebhookId, delivery_id: DeliveryId },
    /// What a member shows of themselves, or whether anybody sees it, is not what it was: joined, renamed, suspended, readmitted, closed,
    /// opened again.
    ChannelChanged { user_id: UserId },
    /// What a recording is called, or whom it is for, was changed.
    VodChanged { vod_id: VodId },
    /// Files were renamed, tagged, thrown away, had back or deleted, or are for others: at most [`FILES_PER_EVENT`] of them.
    FilesChanged { owner_id: UserId, file_ids: Vec<FileId> },
}

/// Most files one event names; what is done to more is told in several.
pub const FILES_PER_EVENT: usize = 500;

impl Event {
    /// What a channel's own servers are told because of it, and of which channel.
    pub const fn happening(&self) -> Option<(Happening, UserId)> {
        Some(match self {
            Self::StreamOnline { channel_id, .. } => (Happening::StreamOnline, *channel_id),
            Self::StreamUpdated { channel_id, .. } => (Happening::StreamUpdated, *channel_id),
            Self::StreamOffline { channel_id, .. } => (Happening::StreamOffline, *channel_id),
            Self::VodReady { channel_id, .. } => (Happening::VodReady, *channel_id),
            Self::VodFailed { channel_id, .. } => (Happening::VodFailed, *channel_id),
            Self::Followed { channel_id, .. } => (Happening::ChannelFollowed, *channel_id),
            Self::ChatModerated { channel_id, .. } => (Happening::ChatModerated, *channel_id),
            _ => return None,
        })
    }

    /// The stored tag, for indexes and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::StreamOnline { .. } => "stream_online",
            Self::StreamReconnecting { .. } => "stream_reconnecting",
            Self::StreamResumed { .. } => "stream_resumed",
            Self::StreamOffline { .. } => "stream_offline",
            Self::StreamAccess { .. } => "stream_access",
            Self::StreamUpdated { .. } => "stream_updated",
            Self::PublishDone { .. } => "publish_done",
            Self::VodReady { .. } => "vod_ready",
            Self::VodFailed { .. } => "vod_failed",
            Self::VodDeleted { .. } => "vod_deleted",
            Self::RecordingStopped { .. } => "recording_stopped",
            Self::Followed { .. } => "followed",
            Self::FriendAsked { .. } => "friend_asked",
            Self::FriendAccepted { .. } => "friend_accepted",
            Self::Mentioned { .. } => "mentioned",
            Self::RoomInvited { .. } => "room_invited",
            Self::UnbanAnswered { .. } => "unban_answered",
            Self::MailAsked { .. } => "mail_asked",
            Self::ResetAsked { .. } => "reset_asked",
            Self::PasswordChanged { .. } => "password_changed",
            Self::TwoFactorChanged { .. } => "two_factor_changed",
            Self::ChatModerated { .. } => "chat_moderated",
            Self::WebhookDue { .. } => "webhook_due",
            Self::FileArrived { .. } => "file_arrived",
            Self::FileReady { .. } => "file_ready",
            Self::FileFailed { .. } => "file_failed",
            Self::PaymentChanged { .. } => "payment_changed",
            Self::PlanNotice { .. } => "plan_notice",
            Self::ShareAccessed { .. } => "share_accessed",
            Self::SignedInAnew { .. } => "signed_in_anew",
            Self::SignInStolen { .. } => "sign_in_stolen",
            Self::WebhookDisabled { .. } => "webhook_disabled",
            Self::ChannelChanged { .. } => "channel_changed",
            Self::VodChanged { .. } => "vod_changed",
            Self::FilesChanged { .. } => "files_changed",
        }
    }
}
