//! The jobs there are, and what each does.

use domain::event::TwoFactorChange;
use std::time::Duration;

use domain::notification::NotificationType;
use domain::order::UNDO_FOR;
use domain::payment::{PaymentStatus, Plan};
use domain::user::{Email, Username};
use domain::{
    DeliveryId, FileId, MessageId, PaymentId, PublishId, RoomId, SessionId, ShareId, StreamId, Timestamp, UserId,
    VersionId, VodId, WebhookId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Deps, files, hooks, mail, notify, push, search, storage, webhooks};

/// One unit of work. Stored: add variants and optional fields, never rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Tells every follower that a channel is live.
    NotifyStreamOnline { stream_id: StreamId, channel_id: UserId, username: Username },
    /// Tells the owner and every follower that a recording can be watched.
    NotifyVodReady { vod_id: VodId, channel_id: UserId, username: Username },
    /// Tells the owner that nothing can be played of a recording. Run twice, it is told once.
    NotifyVodFailed { vod_id: VodId, channel_id: UserId },
    /// Tells a channel's owner of a new follower.
    NotifyNewFollower { channel_id: UserId, follower_id: UserId },
    /// Tells a member who asks for a friendship.
    NotifyFriendRequest { user_id: UserId, asker_id: UserId },
    /// Tells whoever asked that there is a friendship now.
    NotifyFriendAccepted { user_id: UserId, asker_id: UserId },
    /// Tells a channel's owner that a stream is recorded no further.
    NotifyRecordingStopped { stream_id: StreamId, channel_id: UserId },
    /// Tells a member that their own server is told no more.
    NotifyWebhookDisabled { channel_id: UserId, delivery_id: DeliveryId },
    /// Tells members that a chat line names them.
    NotifyMention {
        message_id: MessageId,
        channel_id: UserId,
        author_id: UserId,
        stream_id: Option<StreamId>,
        user_ids: Vec<UserId>,
    },
    /// Tells a member that they are invited to a group.
    NotifyRoomInvite { room_id: RoomId, user_id: UserId },
    /// Tells a member how their request to be let into a chat again was answered.
    NotifyUnbanAnswer { request_id: Uuid },
    /// Calls the operator's `on_publish_done`.
    PublishDoneHook { publish_id: PublishId },
    /// Calls the operator's `on_record_done`.
    RecordDoneHook { vod_id: VodId },
    /// Sends a batch of pushes to members' browsers.
    SendPushes { batch_id: Uuid },
    /// Sends a batch of mails.
    SendMails { batch_id: Uuid },
    /// Asks a member by mail whether their address is theirs.
    AskMailAddress { user_id: UserId },
    /// Sends whoever has an address the link by which they choose a new password. Run twice, the same link is sent twice.
    SendReset { email: Email, at: Timestamp },
    /// Tells a member by mail that their password has changed. Run twice, it is told twice, under one Message-ID.
    TellPasswordChanged { user_id: UserId },
    /// Tells a member by mail what became of their two-factor sign-in. Run twice, it is told twice, under one Message-ID.
    TellTwoFactorChanged { user_id: UserId, change: TwoFactorChange },
    /// Sends what is due to a member's own server. Run twice, it finds less to do, and of two at once one has the turn.
    DeliverWebhook { webhook_id: WebhookId },
    /// Looks into a member's file that is here: sorts, scans, shares or makes ours, and serves it. Each step starts from what is written
    /// down, so that run twice it is done once.
    ProcessFile { version_id: VersionId },
    /// Tells a member what became of their file.
    NotifyFile { file_id: FileId, version_id: VersionId, owner_id: UserId, is_ready: bool },
    /// Tells whom it concerns where a payment is now. Run twice, they are told once.
    NotifyPayment { payment_id: PaymentId, status: PaymentStatus },
    /// Tells a member that their plan ends soon, or is over. Run twice, they are told once.
    NotifyPlan { user_id: UserId, notice_id: Uuid, plan: Plan, ends_at: Timestamp, is_over: bool },
    /// Tells a member that one of their share links was opened. Run twice, it is told once.
    NotifyShare { link_id: ShareId, access_id: Uuid, owner_id: UserId },
    /// Tells a member of a sign-in that may be somebody else's.
    NotifySignIn { user_id: UserId, session_id: SessionId, kind: NotificationType, from: String },
    /// Removes a deleted recording's objects from the bucket.
    DeleteVodObjects { vod_id: VodId, object_prefix: String },
    /// Has a channel's recordings found by its new name. Run twice, they are found by it all the same.
    IndexVods { channel_id: UserId },
}

impl Job {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotifyStreamOnline { .. } => "notify_stream_online",
            Self::NotifyVodReady { .. } => "notify_vod_ready",
            Self::NotifyVodFailed { .. } => "notify_vod_failed",
            Self::NotifyNewFollower { .. } => "notify_new_follower",
            Self::NotifyFriendRequest { .. } => "notify_friend_request",
            Self::NotifyFriendAccepted { .. } => "notify_friend_accepted",
            Self::NotifyRecordingStopped { .. } => "notify_recording_stopped",
            Self::NotifyWebhookDisabled { .. } => "notify_webhook_disabled",
            Self::NotifyMention { .. } => "notify_mention",
            Self::NotifyRoomInvite { .. } => "notify_room_invite",
            Self::NotifyUnbanAnswer { .. } => "notify_unban_answer",
            Self::PublishDoneHook { .. } => "publish_done_hook",
            Self::RecordDoneHook { .. } => "record_done_hook",
            Self::SendPushes { .. } => "send_pushes",
            Self::SendMails { .. } => "send_mails",
            Self::AskMailAddress { .. } => "ask_mail_address",
            Self::SendReset { .. } => "send_reset",
            Self::TellPasswordChanged { .. } => "tell_password_changed",
            Self::TellTwoFactorChanged { .. } => "tell_two_factor_changed",
            Self::DeliverWebhook { .. } => "deliver_webhook",
            Self::ProcessFile { .. } => "process_file",
            Self::NotifyFile { .. } => "notify_file",
            Self::NotifyPayment { .. } => "notify_payment",
            Self::NotifyPlan { .. } => "notify_plan",
            Self::NotifyShare { .. } => "notify_share",
            Self::NotifySignIn { .. } => "notify_sign_in",
            Self::DeleteVodObjects { .. } => "delete_vod_objects",
            Self::IndexVods { .. } => "index_vods",
        }
    }

    /// How long it waits before it is done for the first time.
    pub(crate) const fn wait_s(&self) -> u64 {
        match self {
            // Until the act cannot be taken back any more.
            Self::NotifyUnbanAnswer { .. } => UNDO_FOR.as_secs() + 2,
            _ => 0,
        }
    }

    /// How often it is tried, the first time included.
    pub(crate) const fn attempts_max(&self) -> usize {
        match self {
            Self::ProcessFile { .. } => files::ATTEMPTS_MAX,
            // With the waits between them: a day and a half.
            _ => 25,
        }
    }

    /// After this it is stuck.
    pub(crate) const fn run_max(&self) -> Duration {
        match self {
            Self::ProcessFile { .. } => files::RUN_MAX,
            _ => Duration::from_secs(600),
        }
    }

    /// Undoes what it began, after the last attempt has failed.
    pub(crate) async fn give_up(self, deps: &Deps) -> anyhow::Result<()> {
        let mut tx = db::begin(&deps.pool).await?;
        self.undo(&mut tx).await?;
        Ok(db::commit(tx).await?)
    }

    /// Undoes what it began, for a job that is not done any more.
    pub(crate) async fn undo(self, conn: &mut db::Conn) -> anyhow::Result<()> {
        match self {
            Self::ProcessFile { version_id } => files::give_up(conn, version_id).await,
            _ => Ok(()),
        }
    }

    /// Does the work as the queue's job `id`. An error means: try again later.
    pub(crate) async fn perform(self, deps: &Deps, id: &str) -> anyhow::Result<()> {
        match self {
            Self::NotifyStreamOnline { stream_id, channel_id, .. } => {
                notify::stream_online(deps, id, stream_id, channel_id).await
            }
            Self::NotifyVodReady { vod_id, channel_id, .. } => notify::vod_ready(deps, id, vod_id, channel_id).await,
            Self::NotifyVodFailed { vod_id, channel_id } => notify::vod_failed(deps, vod_id, channel_id).await,
            Self::NotifyNewFollower { channel_id, follower_id } => {
                notify::new_follower(deps, channel_id, follower_id).await
            }
            Self::NotifyFriendRequest { user_id, asker_id } => notify::friend_request(deps, user_id, asker_id).await,
            Self::NotifyFriendAccepted { user_id, asker_id } => notify::friend_accepted(deps, user_id, asker_id).await,
            Self::NotifyRecordingStopped { stream_id, channel_id } => {
                notify::recording_stopped(deps, stream_id, channel_id).await
            }
            Self::NotifyWebhookDisabled { channel_id, delivery_id } => {
                notify::webhook_disabled(deps, channel_id, delivery_id).await
            }
            Self::NotifyMention { message_id, channel_id, author_id, stream_id, user_ids } => {
                let line = notify::Mentioned {
                    message: message_id,
                    channel: channel_id,
                    author: author_id,
                    stream: stream_id,
                    users: user_ids,
                };
                notify::mention(deps, line).await
            }
            Self::NotifyRoomInvite { room_id, user_id } => notify::rooms::invited(deps, room_id, user_id).await,
            Self::NotifyUnbanAnswer { request_id } => notify::unban_answer(deps, request_id).await,
            Self::PublishDoneHook { publish_id } => hooks::publish_done(deps, publish_id).await,
            Self::RecordDoneHook { vod_id } => hooks::record_done(deps, vod_id).await,
            Self::SendPushes { batch_id } => push::send_batch(deps, batch_id).await,
            Self::SendMails { batch_id } => mail::send_batch(deps, batch_id).await,
            Self::AskMailAddress { user_id } => mail::ask_address(deps, user_id).await,
            Self::SendReset { email, at } => mail::account::send_reset(deps, id, &email, at).await,
            Self::TellPasswordChanged { user_id } => mail::account::tell_password_changed(deps, id, user_id).await,
            Self::TellTwoFactorChanged { user_id, change } => {
                mail::account::tell_two_factor_changed(deps, id, user_id, change).await
            }
            Self::DeliverWebhook { webhook_id } => webhooks::deliver(deps, id, webhook_id).await,
            Self::ProcessFile { version_id } => files::process(deps, version_id).await,
            Self::NotifyFile { file_id, version_id, owner_id, is_ready } => {
                notify::file(deps, file_id, version_id, owner_id, is_ready).await
            }
            Self::NotifyPayment { payment_id, status } => notify::payments::changed(deps, payment_id, status).await,
            Self::NotifyPlan { user_id, notice_id, plan, ends_at, is_over } => {
                notify::payments::plan(deps, user_id, notice_id, (plan, ends_at), is_over).await
            }
            Self::NotifyShare { link_id, access_id, owner_id } => {
                notify::share(deps, link_id, access_id, owner_id).await
            }
            Self::NotifySignIn { user_id, session_id, kind, from } => {
                notify::sign_in(deps, kind, user_id, session_id, &from).await
            }
            Self::IndexVods { channel_id } => search::index_vods(deps, channel_id).await,
            Self::DeleteVodObjects { vod_id, object_prefix } => {
                // The prefix comes from our own row; still, never delete more than one recording's folder.
                anyhow::ensure!(
                    object_prefix.starts_with("vod/") && object_prefix.len() > 30,
                    "not a recording's prefix"
                );
                storage::delete_objects(deps, vod_id, &object_prefix).await
            }
        }
    }
}

/// The line a member reads.
pub(crate) fn message(kind: NotificationType, who: &str, title: &str) -> String {
    match kind {
        NotificationType::StreamOnline if title.is_empty() => format!("{who} is live"),
        NotificationType::StreamOnline => format!("{who} is live: {title}"),
        NotificationType::VodReady => format!("New recording from {who}: {title}"),
        NotificationType::VodFailed => format!("Your recording cannot be played: {title}"),
        NotificationType::RecordingStopped => {
            "Your storage is full: this stream is not recorded any further. Delete recordings to make room.".to_owned()
        }
        NotificationType::WebhookDisabled => {
            "One of your webhooks was switched off: its server took nothing for days, or wants no more.".to_owned()
        }
        NotificationType::FriendRequest => format!("{who} would like to be your friend"),
        NotificationType::FriendAccepted => format!("You and {who} are friends now"),
        NotificationType::Mention => format!("{who} mentioned you in the chat of {title}"),
        NotificationType::RoomInvite => format!("{who} invites you to {title}"),
        NotificationType::Message if title.is_empty() => format!("{who} wrote to you"),
        NotificationType::Message => format!("{who} wrote in {title}"),
        NotificationType::UnbanAnswer if title == "accepted" => format!("You can write in the chat of {who} again"),
        NotificationType::UnbanAnswer => format!("Your request to {who} was declined"),
        NotificationType::FileReady => format!("Your file is ready: {title}"),
        NotificationType::FileFailed => format!("Your file was not taken: {title}"),
        NotificationType::PaymentSubmitted => format!("{who} says that they have paid: {title}"),
        NotificationType::PaymentApproved => format!("Your payment was found: {title} is yours"),
        NotificationType::PaymentRejected => format!("Your payment was rejected: {title}"),
        NotificationType::PaymentAskedAgain => format!("Please send another proof of your payment: {title}"),
        NotificationType::PlanEnding => format!("Your plan ends soon: {title}"),
        NotificationType::PlanEnded => format!("Your plan is over: {title}. Nothing of yours was deleted."),
        NotificationType::ShareAccessed => format!("Your link was opened: {title}"),
        NotificationType::NewSignIn if title.is_empty() => "New sign-in to your account".to_owned(),
        NotificationType::NewSignIn => format!("New sign-in to your account: {title}"),
        NotificationType::SignInStolen => {
            "A sign-in of yours was used in two places and was ended. If it was not you, change your password."
                .to_owned()
        }
        NotificationType::NewFollower => format!("{who} follows you now"),
    }
}
