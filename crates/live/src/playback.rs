//! Who may fetch media that is not for everybody: judged in memory, for every playlist, part and picture.
//!
//! Owns the judgement and the list of permissions that were taken back before their end. The list is small, lives in Redis for
//! minutes and is read once a second by whoever serves such media; while Redis is away a token taken back ends by itself,
//! within five minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::{SessionId, ShareId, StreamId, UserId, Visibility, VodId};
use kit::Secret;
use kit::playback::{ARGUMENT, LINK_ARGUMENT, PlaybackClaims, PlaybackTokens, Refused, Subject, TTL_S};
use redis::AsyncCommands;

use crate::client::{Live, LiveError};

/// Older entries have no token left to cancel.
const KEPT_S: u64 = TTL_S + 60;
/// More than this is an attack; the latest count.
const ENTRIES_MAX: isize = 50_000;
/// Entries Redis has not been told of yet.
const OWED_MAX: usize = 10_000;
const KEY: &str = "playback:taken-back";

/// Whether media is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Granted,
    /// Nobody is told that there is something.
    Hidden,
    /// The permission was good and is not any more.
    Over,
}

/// What is taken back: everything a sign-in was given, or what a member was given for following.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Session(SessionId),
    Follow { channel: UserId, follower: UserId },
}

impl Entry {
    fn text(self) -> String {
        match self {
            Self::Session(session) => format!("s:{session}"),
            Self::Follow { channel, follower } => format!("f:{channel}:{follower}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "s" => Some(Self::Session(rest.parse().ok()?)),
            "f" => {
                let (channel, follower) = rest.split_once(':')?;
                Some(Self::Follow { channel: channel.parse().ok()?, follower: follower.parse().ok()? })
            }
            _ => None,
        }
    }
}

/// Judges requests for media. Cheap to clone; all clones share the list.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    live: Live,
    tokens: PlaybackTokens,
    /// When each was taken back, in seconds since 1970.
    taken_back: RwLock<HashMap<Entry, u64>>,
    owed: Mutex<Vec<(Entry, u64)>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    pub fn new(live: Live, site_secret: &Secret) -> Self {
        Self(Arc::new(Inner {
            live,
            tokens: PlaybackTokens::new(site_secret),
            taken_back: RwLock::default(),
            owed: Mutex::default(),
        }))
    }

    pub fn tokens(&self) -> &PlaybackTokens {
        &self.0.tokens
    }

    /// Whether a live stream's media is given for this query. `is_named`: the path names the stream by its id, so whoever asks has its
    /// link.
    pub fn judge_stream(
        &self,
        id: StreamId,
        visibility: Visibility,
        is_named: impl FnOnce() -> bool,
        query: Option<&str>,
    ) -> Verdict {
        match visibility {
            Visibility::Public => Verdict::Granted,
            Visibility::Unlisted if is_named() || names(query, id) => Verdict::Granted,
            _ => self.judge(Subject::Stream(id), visibility, query),
        }
    }

    /// The same for a recording, whose path always names it.
    pub fn judge_vod(&self, id: VodId, visibility: Visibility, query: Option<&str>) -> Verdict {
        match visibility {
            Visibility::Public | Visibility::Unlisted => Verdict::Granted,
            Visibility::Followers | Visibility::Private => self.judge(Subject::Vod(id), visibility, query),
        }
    }

    fn judge(&self, subject: Subject, visibility: Visibility, query: Option<&str>) -> Verdict {
        let Some(token) = argument(query, ARGUMENT) else { return Verdict::Hidden };
        match self.0.tokens.verify(token, subject) {
            Ok(claims) if visibility.admits(claims.via) && !self.is_taken_back(&claims) => Verdict::Granted,
            Ok(_) | Err(Refused::Expired) => Verdict::Over,
            Err(Refused::Invalid) => Verdict::Hidden,
        }
    }

    fn is_taken_back(&self, claims: &PlaybackClaims) -> bool {
        let list = self.0.taken_back.read().unwrap_or_else(PoisonError::into_inner);
        let follow = Entry::Follow { channel: claims.chn, follower: claims.sub };
        let is_since = |entry: Entry| list.get(&entry).is_some_and(|at| claims.iat <= *at);
        is_since(Entry::Session(claims.sid))
            || (claims.via == domain::visibility::Standing::Follower && is_since(follow))
    }

    /// Takes back what a sign-in was given: it is over.
    pub async fn end_session(&self, session: SessionId) {
        self.take_back(Entry::Session(session)).await;
    }

    /// Takes back what was given to those who came by a share link. Its id stands where a sign-in's does.
    pub async fn end_share(&self, link: ShareId) {
        self.take_back(Entry::Session(SessionId::from_uuid(link.as_uuid()))).await;
    }

    /// Takes back what a member was given for following a channel.
    pub async fn end_follow(&self, channel: UserId, follower: UserId) {
        self.take_back(Entry::Follow { channel, follower }).await;
    }

    async fn take_back(&self, entry: Entry) {
        let now = kit::clock::unix_seconds();
        self.0.taken_back.write().unwrap_or_else(PoisonError::into_inner).insert(entry, now);
        if let Err(error) = self.tell(entry, now).await {
            tracing::warn!(%error, "playback is taken back elsewhere when redis is there again");
            let mut owed = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
            if owed.len() < OWED_MAX {
                owed.push((entry, now));
            }
        }
    }

    async fn tell(&self, entry: Entry, at: u64) -> Result<(), LiveError> {
        let key = self.0.live.key(KEY);
        let mut connection = self.0.live.connection().await?;
        let () = redis::pipe()
            .zadd(&key, entry.text(), at)
            .ignore()
            .zrembyscore(&key, 0, at.saturating_sub(KEPT_S))
            .ignore()
            .expire(&key, i64::try_from(KEPT_S * 2).unwrap_or(i64::MAX))
            .ignore()
            .query_async(&mut connection)
            .await?;
        Ok(())
    }

    /// Reads what other nodes took back, and tells them what they missed.
    pub async fn refresh(&self) -> Result<(), LiveError> {
        let owed = std::mem::take(&mut *self.0.owed.lock().unwrap_or_else(PoisonError::into_inner));
        for (index, (entry, at)) in owed.iter().enumerate() {
            if let Err(error) = self.tell(*entry, *at).await {
                let mut again = self.0.owed.lock().unwrap_or_else(PoisonError::into_inner);
                again.extend_from_slice(&owed[index..]);
                return Err(error);
            }
        }
        let since = kit::clock::unix_seconds().saturating_sub(KEPT_S);
        let mut connection = self.0.live.connection().await?;
        let found: Vec<(String, u64)> =
            connection.zrevrangebyscore_limit_withscores(self.0.live.key(KEY), "+inf", since, 0, ENTRIES_MAX).await?;
        let mut list = self.0.taken_back.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|_, at| *at >= since);
        for (text, at) in found {
            if let Some(entry) = Entry::parse(&text) {
                let known = list.entry(entry).or_insert(at);
                *known = (*known).max(at);
            }
        }
        Ok(())
    }
}

/// Whether the query names this stream.
fn names(query: Option<&str>, id: StreamId) -> bool {
    argument(query, LINK_ARGUMENT).and_then(|text| text.parse::<StreamId>().ok()) == Some(id)
}

/// An argument's value as it stands in a query. The last one counts, so that a player may append a fresher one.
pub fn argument<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back()
}

#[cfg(test)]
mod tests {
    use domain::visibility::Standing;
    use kit::config::RedisConfig;
    use kit::playback::Bearer;

    use super::*;

    fn gate() -> Gate {
        let config = RedisConfig { url: Secret::new("redis://127.0.0.1:9"), prefix: "t:".to_owned() };
        Gate::new(Live::new(&config).expect("an address"), &Secret::new("s"))
    }

    #[test]
    fn what_an_owner_makes_private_is_over_for_followers_at_once() {
        let gate = gate();
        let (stream, channel) = (StreamId::from_uuid(kit::ids::uuid()), UserId::from_uuid(kit::ids::uuid()));
        let query = |standing| {
            let bearer = Bearer {
                user: UserId::from_uuid(kit::ids::uuid()),
                session: SessionId::from_uuid(kit::ids::uuid()),
                standing,
            };
            format!("vs=1&token={}", gate.tokens().issue(Subject::Stream(stream), channel, bearer))
        };
        let judge = |visibility, query: Option<&str>| gate.judge_stream(stream, visibility, || false, query);
        let (follower, owner) = (query(Standing::Follower), query(Standing::Owner));
        assert_eq!(judge(Visibility::Followers, Some(&follower)), Verdict::Granted);
        assert_eq!(judge(Visibility::Private, Some(&follower)), Verdict::Over);
        assert_eq!(judge(Visibility::Private, Some(&owner)), Verdict::Granted);
        assert_eq!(judge(Visibility::Private, None), Verdict::Hidden);
        assert_eq!(judge(Visibility::Private, Some("token=x")), Verdict::Hidden);
        assert_eq!(judge(Visibility::Public, None), Verdict::Granted);
        assert_eq!(judge(Visibility::Unlisted, None), Verdict::Hidden);
        assert_eq!(judge(Visibility::Unlisted, Some(&format!("stream={stream}"))), Verdict::Granted);
        assert_eq!(gate.judge_stream(stream, Visibility::Unlisted, || true, None), Verdict::Granted);
        assert_eq!(gate.judge_stream(stream, Visibility::Private, || true, None), Verdict::Hidden);
    }

    #[tokio::test]
    async fn what_is_taken_back_is_over_also_while_redis_is_away() {
        let gate = gate();
        let (vod, channel) = (VodId::from_uuid(kit::ids::uuid()), UserId::from_uuid(kit::ids::uuid()));
        let bearer = Bearer {
            user: UserId::from_uuid(kit::ids::uuid()),
            session: SessionId::from_uuid(kit::ids::uuid()),
            standing: Standing::Follower,
        };
        let now = kit::clock::unix_seconds();
        let query = |at| format!("token={}", gate.tokens().issue_at(Subject::Vod(vod), channel, bearer, at));
        let judge = |query: &str| gate.judge_vod(vod, Visibility::Followers, Some(query));
        assert_eq!(judge(&query(now)), Verdict::Granted);
        gate.end_follow(channel, bearer.user).await;
        assert_eq!(judge(&query(now)), Verdict::Over);
        assert_eq!(judge(&query(now + 3)), Verdict::Granted, "given after following again");
        gate.end_session(bearer.session).await;
        assert_eq!(judge(&query(now)), Verdict::Over);
    }

    #[tokio::test]
    async fn a_share_link_opens_what_is_private_until_it_is_taken_back() {
        let gate = gate();
        let (vod, other) = (VodId::from_uuid(kit::ids::uuid()), VodId::from_uuid(kit::ids::uuid()));
        let (channel, link) = (UserId::from_uuid(kit::ids::uuid()), ShareId::from_uuid(kit::ids::uuid()));
        let issue = |until| gate.tokens().issue_shared(Subject::Vod(vod), channel, link, until);
        let judge = |vod, token: &str| gate.judge_vod(vod, Visibility::Private, Some(&format!("token={token}")));
        assert_eq!(judge(vod, &issue(None)), Verdict::Granted);
        assert_eq!(judge(other, &issue(None)), Verdict::Hidden);
        assert_eq!(judge(vod, &issue(Some(kit::clock::unix_seconds() - 10))), Verdict::Over);
        let given = issue(None);
        gate.end_share(link).await;
        assert_eq!(judge(vod, &given), Verdict::Over);
    }

    #[test]
    fn entries_survive_being_written_down() {
        let (one, other) = (UserId::from_uuid(kit::ids::uuid()), UserId::from_uuid(kit::ids::uuid()));
        for entry in
            [Entry::Session(SessionId::from_uuid(kit::ids::uuid())), Entry::Follow { channel: one, follower: other }]
        {
            assert_eq!(Entry::parse(&entry.text()), Some(entry));
        }
        assert_eq!(Entry::parse("x:1"), None);
    }
}
