//! The words of the audit log: who acts, what is done, to what kind of thing. The words are API.

use serde_json::{Value, json};

use crate::UserId;

/// Bytes of an entry's details, as JSON.
pub const DETAILS_BYTES_MAX: usize = 4_096;
/// Characters of a thing's name. Longer ones are cut.
pub const NAME_CHARS_MAX: usize = 200;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Member(UserId),
    /// At the command line.
    Operator,
    /// The site itself, such as when it ends a sign-in whose token was stolen.
    Site,
    /// Background work, by name.
    Worker(&'static str),
}

impl Actor {
    pub const fn kind(self) -> ActorKind {
        match self {
            Self::Member(_) => ActorKind::User,
            Self::Operator | Self::Site => ActorKind::System,
            Self::Worker(_) => ActorKind::Worker,
        }
    }

    /// A member's is asked of the database.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Member(_) => None,
            Self::Operator => Some("operator"),
            Self::Site => Some("site"),
            Self::Worker(name) => Some(name),
        }
    }
}

/// An enum of words: all of them, as text, and back.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($variant:ident = $word:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($variant,)+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }
    };
}

words! {
    /// What kind of actor.
    ActorKind {
        User = "user",
        System = "system",
        Worker = "worker",
    }
}

words! {
    /// What something was done to.
    EntityType {
        User = "user",
        Session = "session",
        Channel = "channel",
        Vod = "vod",
        Category = "category",
        Report = "report",
        Emote = "emote",
        Webhook = "webhook",
        File = "file",
        Payment = "payment",
        ShareLink = "share_link",
        ApiToken = "api_token",
        Queue = "queue",
        Job = "job",
        Stream = "stream",
    }
}

words! {
    /// What was done.
    Action {
        UserSuspended = "user.suspended",
        UserUnsuspended = "user.unsuspended",
        RoleChanged = "role.changed",
        PasswordChanged = "password.changed",
        TwoFactorEnabled = "two_factor.enabled",
        TwoFactorDisabled = "two_factor.disabled",
        TwoFactorReset = "two_factor.reset",
        RecoveryCodesRenewed = "two_factor.codes_renewed",
        RecoveryCodeUsed = "two_factor.code_used",
        AccountCreated = "account.created",
        AccountClosed = "account.closed",
        AccountReopened = "account.reopened",
        SessionEnded = "session.ended",
        ApiTokenCreated = "api_token.created",
        ApiTokenRevoked = "api_token.revoked",
        SessionsEnded = "sessions.ended",
        StreamKeyRotated = "stream_key.rotated",
        RecordingRulesChanged = "recording_rules.changed",
        VodVisibilityChanged = "vod.visibility_changed",
        VodDeleted = "vod.deleted",
        VodExpired = "vod.expired",
        CategoryChanged = "category.changed",
        CategoryDeleted = "category.deleted",
        ReportResolved = "report.resolved",
        ReportDismissed = "report.dismissed",
        EmoteRemoved = "emote.removed",
        WebhookAdded = "webhook.added",
        WebhookChanged = "webhook.changed",
        WebhookRemoved = "webhook.removed",
        WebhookSecretRotated = "webhook.secret_rotated",
        FileCompleted = "file.completed",
        FileRefused = "file.refused",
        FileFailed = "file.failed",
        FileVisibilityChanged = "file.visibility_changed",
        FileTrashed = "file.trashed",
        FileRestored = "file.restored",
        FileErased = "file.erased",
        PaymentRequested = "payment.requested",
        PaymentSubmitted = "payment.submitted",
        PaymentAskedAgain = "payment.asked_again",
        PaymentApproved = "payment.approved",
        PaymentRejected = "payment.rejected",
        PaymentExpired = "payment.expired",
        PaymentCancelled = "payment.cancelled",
        PlanEnded = "plan.ended",
        ShareCreated = "share.created",
        ShareChanged = "share.changed",
        ShareRevoked = "share.revoked",
        QueuePaused = "queue.paused",
        QueueResumed = "queue.resumed",
        JobRetried = "job.retried",
        JobRun = "job.run",
        JobCancelled = "job.cancelled",
        StreamCut = "stream.cut",
        StreamKeyBlocked = "stream_key.blocked",
    }
}

impl Action {
    /// What the site's staff does about members and reports: all of the staff may read of it.
    pub const OF_STAFF: [Self; 7] = [
        Self::UserSuspended,
        Self::UserUnsuspended,
        Self::ReportResolved,
        Self::ReportDismissed,
        Self::EmoteRemoved,
        Self::StreamCut,
        Self::StreamKeyBlocked,
    ];

    /// What it is done to.
    pub const fn entity(self) -> EntityType {
        match self {
            Self::UserSuspended
            | Self::UserUnsuspended
            | Self::RoleChanged
            | Self::SessionsEnded
            | Self::PasswordChanged
            | Self::TwoFactorEnabled
            | Self::TwoFactorDisabled
            | Self::TwoFactorReset
            | Self::RecoveryCodesRenewed
            | Self::RecoveryCodeUsed
            | Self::AccountCreated
            | Self::AccountClosed
            | Self::AccountReopened
            | Self::PlanEnded => EntityType::User,
            Self::SessionEnded => EntityType::Session,
            Self::ApiTokenCreated | Self::ApiTokenRevoked => EntityType::ApiToken,
            Self::StreamKeyRotated | Self::StreamKeyBlocked | Self::RecordingRulesChanged => EntityType::Channel,
            Self::VodVisibilityChanged | Self::VodDeleted | Self::VodExpired => EntityType::Vod,
            Self::CategoryChanged | Self::CategoryDeleted => EntityType::Category,
            Self::ReportResolved | Self::ReportDismissed => EntityType::Report,
            Self::EmoteRemoved => EntityType::Emote,
            Self::WebhookAdded | Self::WebhookChanged | Self::WebhookRemoved | Self::WebhookSecretRotated => {
                EntityType::Webhook
            }
            Self::FileCompleted
            | Self::FileRefused
            | Self::FileFailed
            | Self::FileVisibilityChanged
            | Self::FileTrashed
            | Self::FileRestored
            | Self::FileErased => EntityType::File,
            Self::PaymentRequested
            | Self::PaymentSubmitted
            | Self::PaymentAskedAgain
            | Self::PaymentApproved
            | Self::PaymentRejected
            | Self::PaymentExpired
            | Self::PaymentCancelled => EntityType::Payment,
            Self::ShareCreated | Self::ShareChanged | Self::ShareRevoked => EntityType::ShareLink,
            Self::QueuePaused | Self::QueueResumed => EntityType::Queue,
            Self::JobRetried | Self::JobRun | Self::JobCancelled => EntityType::Job,
            Self::StreamCut => EntityType::Stream,
        }
    }
}

/// Details as they are stored: what is too large is left out, and said to be.
pub fn fit(details: Value) -> Value {
    let is_fit = details.is_object() && details.to_string().len() <= DETAILS_BYTES_MAX;
    if is_fit { details } else { json!({ "is_cut": true }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_a_dotted_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(words.len(), Action::ALL.len());
        for action in Action::ALL {
            let word = action.as_str();
            assert!(word.split('.').count() == 2 && word.len() <= 64, "{word}");
            assert_eq!(Action::parse(word), Some(*action));
        }
        assert_eq!(Action::parse("user.praised"), None);
    }

    #[test]
    fn details_have_a_bound() {
        let small = json!({ "from": "user", "to": "admin" });
        assert_eq!(fit(small.clone()), small);
        for broken in [json!({ "text": "x".repeat(DETAILS_BYTES_MAX) }), json!("a word"), Value::Null] {
            assert_eq!(fit(broken), json!({ "is_cut": true }));
        }
    }
}
