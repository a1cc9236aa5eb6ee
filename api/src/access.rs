//! Who looks, and the playback URLs they are given for what is not for everybody.

use domain::visibility::Standing;
use domain::{StreamId, UserId, Visibility, VodId};
use kit::playback::{ARGUMENT, Bearer, LINK_ARGUMENT, Subject, TTL_S};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::Account;
use crate::shapes::Playback;
use crate::state::App;

/// Whom a stream or recording is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Visibility)]
pub(crate) enum VisibilityName {
    /// Everybody; listed and announced.
    Public,
    /// Whoever has the link; in no list.
    Unlisted,
    /// The channel's followers.
    Followers,
    /// Its owner.
    Private,
}

impl From<Visibility> for VisibilityName {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Unlisted => Self::Unlisted,
            Visibility::Followers => Self::Followers,
            Visibility::Private => Self::Private,
        }
    }
}

impl From<VisibilityName> for Visibility {
    fn from(name: VisibilityName) -> Self {
        match name {
            VisibilityName::Public => Self::Public,
            VisibilityName::Unlisted => Self::Unlisted,
            VisibilityName::Followers => Self::Followers,
            VisibilityName::Private => Self::Private,
        }
    }
}

/// A fresh permission to play.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaybackToken {
    /// The `token` argument of media URLs. Null when none is needed.
    token: Option<String>,
    /// Seconds it lives. Ask again before.
    expires_in: u64,
    playback: Playback,
}

/// The caller, as far as it matters what they may see.
pub(crate) struct Eyes<'a> {
    app: &'a App,
    account: Option<&'a Account>,
    is_staff: bool,
}

impl<'a> Eyes<'a> {
    /// For lists, which show moderators what they show everybody.
    pub(crate) fn of_member(app: &'a App, account: Option<&'a Account>) -> Self {
        Self { app, account, is_staff: false }
    }

    /// For one object, which was found together with the caller's standing: moderators may see all.
    pub(crate) fn of_standing(app: &'a App, account: Option<&'a Account>, is_staff: bool) -> Self {
        Self { app, account, is_staff }
    }

    pub(crate) fn id(&self) -> Option<UserId> {
        self.account.map(|account| account.id)
    }

    pub(crate) fn viewer(&self) -> db::access::Viewer {
        db::access::Viewer { id: self.id(), is_staff: self.is_staff }
    }

    /// A token for an object that was found for this caller. `None` when its media needs none.
    fn token(&self, subject: Subject, channel: UserId, visibility: Visibility) -> Option<String> {
        let account = self.account.filter(|_| visibility.needs_token())?;
        // It was found, so whoever is neither owner nor staff follows the channel.
        let is_follower = visibility == Visibility::Followers;
        let standing = visibility.standing(account.id == channel, self.is_staff, is_follower)?;
        if standing == Standing::Link {
            return None;
        }
        let bearer = Bearer { user: account.id, session: account.session, standing };
        Some(self.app.gate.tokens().issue(subject, channel, bearer))
    }

    /// What stands behind the media URLs of a stream that was found for this caller.
    pub(crate) fn stream_query(&self, id: StreamId, channel: UserId, visibility: Visibility) -> String {
        if visibility == Visibility::Unlisted {
            return format!("?{LINK_ARGUMENT}={id}");
        }
        query(self.token(Subject::Stream(id), channel, visibility))
    }

    /// The same for a recording.
    pub(crate) fn vod_query(&self, id: VodId, channel: UserId, visibility: Visibility) -> String {
        query(self.token(Subject::Vod(id), channel, visibility))
    }

    pub(crate) fn stream_token(&self, stream: &db::streams::Stream) -> PlaybackToken {
        let base = format!("/live/{}", stream.owner.username);
        let query = self.stream_query(stream.id, stream.channel, stream.visibility);
        PlaybackToken { token: token_in(&query), expires_in: TTL_S, playback: Playback::below(&base, &query) }
    }

    pub(crate) fn vod_token(&self, vod: &db::vods::Vod) -> PlaybackToken {
        let query = self.vod_query(vod.id, vod.channel, vod.visibility);
        let base = format!("/vod/{}", vod.id);
        PlaybackToken { token: token_in(&query), expires_in: TTL_S, playback: Playback::below(&base, &query) }
    }
}

fn query(token: Option<String>) -> String {
    token.map(|token| format!("?{ARGUMENT}={token}")).unwrap_or_default()
}

fn token_in(query: &str) -> Option<String> {
    query.strip_prefix(&format!("?{ARGUMENT}=")).map(str::to_owned)
}
