//! What the gateway must know of members, channels and streams: asked of Postgres, remembered for moments.
//!
//! While Postgres is away what was known last is used: a chat whose history is elsewhere goes on (reliability C3).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use db::access::Closed;
use db::analytics::{Audience, Sample, Tally};
use db::api_tokens::Bearer;
use db::chat::{Chatter, OnAir, VodRoom};
use db::moderation::Standing;
use db::moderation::held::{self, Held, Holding};
use domain::chat::Mention;
use domain::chat::emote::picture_in_line;
use domain::event::Event;
use domain::order::{Filters, Modes};
use domain::user::Username;
use domain::{MessageId, SessionId, StreamId, Timestamp, UserId, Visibility, VodId};
use kit::api_tokens::TokenHash;
use moka::sync::Cache;
use tokio::time::Instant;

use crate::limits::{CHANNEL_FRESH, EMOTES_FRESH, MEMBER_FRESH, ORDER_FRESH, PIN_FRESH, STREAM_FRESH};
use crate::order::sieve::Sieve;

const ENTRIES_MAX: u64 = 50_000;
/// How long something is remembered for when Postgres is away.
const KEPT: Duration = Duration::from_secs(3_600);

/// Facts of one kind. An absent thing is remembered too.
struct Memory<K, V> {
    fresh_for: Duration,
    entries: Cache<K, (Instant, Option<V>)>,
}

impl<K: Hash + Eq + Send + Sync + Clone + 'static, V: Clone + Send + Sync + 'static> Memory<K, V> {
    fn new(fresh_for: Duration) -> Self {
        Self { fresh_for, entries: Cache::builder().max_capacity(ENTRIES_MAX).time_to_live(KEPT).build() }
    }

    async fn get<F>(&self, key: K, ask: impl FnOnce() -> F) -> db::Result<Option<V>>
    where
        F: Future<Output = db::Result<Option<V>>>,
    {
        let known = self.entries.get(&key);
        if let Some((at, value)) = &known
            && at.elapsed() < self.fresh_for
        {
            return Ok(value.clone());
        }
        match ask().await {
            Ok(value) => {
                self.entries.insert(key, (Instant::now(), value.clone()));
                Ok(value)
            }
            Err(error) if error.is_unavailable() => match known {
                // Not asked again at once: an outage costs one wait and not one per event.
                Some((_, value)) => {
                    self.entries.insert(key, (Instant::now(), value.clone()));
                    Ok(value)
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

impl<K: Hash + Eq + Send + Sync + Clone + 'static, V: Clone + Send + Sync + 'static> Memory<K, V> {
    /// Has it asked anew next time, and keeps it for when nobody answers.
    fn age(&self, key: &K) {
        if let Some((_, value)) = self.entries.get(key)
            && let Some(long_ago) = Instant::now().checked_sub(self.fresh_for)
        {
            self.entries.insert(key.clone(), (long_ago, value));
        } else {
            self.entries.invalidate(key);
        }
    }
}

pub(crate) struct Facts {
    pool: db::Pool,
    members: Memory<UserId, Chatter>,
    channels: Memory<Username, UserId>,
    names: Memory<UserId, Username>,
    streams: Memory<UserId, OnAir>,
    vods: Memory<VodId, VodRoom>,
    pins: Memory<UserId, MessageId>,
    closed: Memory<Username, Closed>,
    visibilities: Memory<StreamId, Visibility>,
    /// Of a channel and a member, as follower or not: whether what is not for everybody is for them.
    admitted: Memory<(UserId, UserId, bool), ()>,
    rules: Memory<UserId, Arc<RulesInForce>>,
    /// Of a channel and a member.
    standings: Memory<(UserId, UserId), Standing>,
    emotes: Memory<UserId, Arc<OwnEmotes>>,
}

/// A channel's own emotes: where the picture of each name is.
pub(crate) type OwnEmotes = HashMap<String, String>;

/// A channel's modes and filters.
#[derive(Debug, Default)]
pub(crate) struct RulesInForce {
    pub modes: Modes,
    pub sieve: Arc<Sieve>,
    filters_version: i64,
}

impl Facts {
    pub(crate) fn new(pool: db::Pool) -> Self {
        Self {
            pool,
            members: Memory::new(MEMBER_FRESH),
            channels: Memory::new(CHANNEL_FRESH),
            names: Memory::new(CHANNEL_FRESH),
            streams: Memory::new(STREAM_FRESH),
            vods: Memory::new(STREAM_FRESH),
            pins: Memory::new(PIN_FRESH),
            closed: Memory::new(STREAM_FRESH),
            visibilities: Memory::new(STREAM_FRESH),
            admitted: Memory::new(STREAM_FRESH),
            rules: Memory::new(ORDER_FRESH),
            standings: Memory::new(ORDER_FRESH),
            emotes: Memory::new(EMOTES_FRESH),
        }
    }

    pub(crate) async fn member(&self, user: UserId) -> db::Result<Option<Chatter>> {
        self.members.get(user, async || db::chat::chatter(&mut *self.pool.acquire().await?, user).await).await
    }

    pub(crate) async fn channel(&self, name: &Username) -> db::Result<Option<UserId>> {
        let ask = async || db::chat::channel_by_username(&mut *self.pool.acquire().await?, name).await;
        self.channels.get(name.clone(), ask).await
    }

    pub(crate) async fn name_of(&self, channel: UserId) -> db::Result<Option<Username>> {
        self.names.get(channel, async || db::chat::username_of(&mut *self.pool.acquire().await?, channel).await).await
    }

    pub(crate) async fn on_air(&self, channel: UserId) -> db::Result<Option<OnAir>> {
        self.streams.get(channel, async || db::chat::on_air(&mut *self.pool.acquire().await?, channel).await).await
    }

    pub(crate) async fn vod(&self, vod: VodId) -> db::Result<Option<VodRoom>> {
        self.vods.get(vod, async || db::chat::vod_room(&mut *self.pool.acquire().await?, vod).await).await
    }

    /// Which of these names are members'. Not remembered.
    pub(crate) async fn members_named(&self, names: &[Username]) -> db::Result<Vec<Mention>> {
        db::chat::members_named(&mut *self.pool.acquire().await?, names).await
    }

    /// Leaves events behind, in one transaction.
    pub(crate) async fn leave(&self, events: &[Event]) -> db::Result<()> {
        let mut tx = db::begin(&self.pool).await?;
        for event in events {
            db::outbox::push(&mut tx, event).await?;
        }
        db::commit(tx).await
    }

    /// The message a channel has pinned. It may be gone.
    pub(crate) async fn pinned(&self, channel: UserId) -> db::Result<Option<MessageId>> {
        self.pins.get(channel, async || db::chat::pinned(&mut *self.pool.acquire().await?, channel).await).await
    }

    /// Pins a message, or none.
    pub(crate) async fn pin(&self, channel: UserId, message: Option<MessageId>, by: UserId) -> db::Result<()> {
        db::chat::pin(&mut *self.pool.acquire().await?, channel, message, by, kit::clock::now()).await?;
        self.pins.entries.invalidate(&channel);
        Ok(())
    }

    /// Another node pinned something.
    pub(crate) fn pin_changed(&self, name: &Username) {
        if let Some((_, Some(channel))) = self.channels.entries.get(name) {
            self.pins.entries.invalidate(&channel);
        }
    }

    /// What a channel airs, when that is not for everybody.
    pub(crate) async fn closed(&self, name: &Username) -> db::Result<Option<Closed>> {
        let ask = async || {
            let names = std::slice::from_ref(name);
            Ok(db::access::closed_among(&mut *self.pool.acquire().await?, names).await?.pop())
        };
        self.closed.get(name.clone(), ask).await
    }

    /// The same of many, not remembered.
    pub(crate) async fn closed_among(&self, names: &[Username]) -> db::Result<Vec<Closed>> {
        db::access::closed_among(&mut *self.pool.acquire().await?, names).await
    }

    /// Whom a stream is, or was, for. `None` when it is gone.
    pub(crate) async fn visibility(&self, stream: StreamId) -> db::Result<Option<Visibility>> {
        let ask = async || {
            let found = db::access::of_streams(&mut *self.pool.acquire().await?, &[stream]).await?.pop();
            Ok(found.map(|(_, visibility)| visibility))
        };
        self.visibilities.get(stream, ask).await
    }

    /// Whether a member is the channel's owner, of the staff, or, `for_followers`, follows it.
    pub(crate) async fn is_admitted(&self, channel: UserId, user: UserId, for_followers: bool) -> db::Result<bool> {
        let ask = async || Ok(self.admitted_among(channel, &[user], for_followers).await?.pop().map(|_| ()));
        Ok(self.admitted.get((channel, user, for_followers), ask).await?.is_some())
    }

    /// The same of many, not remembered.
    pub(crate) async fn admitted_among(
        &self,
        channel: UserId,
        users: &[UserId],
        for_followers: bool,
    ) -> db::Result<Vec<UserId>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        db::access::admitted(&mut *self.pool.acquire().await?, channel, users, for_followers).await
    }

    /// Which of these sign-ins are over. Not remembered: one must not be believed a moment longer.
    pub(crate) async fn dead_sessions(&self, sessions: &[SessionId]) -> db::Result<Vec<SessionId>> {
        db::chat::dead_sessions(&mut *self.pool.acquire().await?, sessions).await
    }

    /// Whom a program's token speaks for. Not remembered.
    pub(crate) async fn bearer(&self, hash: &TokenHash, addr: &str) -> db::Result<Option<Bearer>> {
        db::api_tokens::find(&mut *self.pool.acquire().await?, hash, addr).await
    }

    /// What holds in a channel. Its filters are compiled again only when they have changed.
    pub(crate) async fn rules(&self, channel: UserId) -> db::Result<Arc<RulesInForce>> {
        let known = self.rules.entries.get(&channel).and_then(|(_, known)| known);
        let ask = async || {
            let mut conn = self.pool.acquire().await?;
            let db::moderation::Rules { modes, filters_version } = db::moderation::rules(&mut conn, channel).await?;
            let sieve = match known {
                Some(known) if known.filters_version == filters_version => Arc::clone(&known.sieve),
                _ if filters_version == 0 => Arc::default(),
                _ => {
                    let filters = db::moderation::filters(&mut conn, channel).await?;
                    let filters = Filters::compile(
                        filters.iter().map(|filter| (filter.kind, filter.pattern.as_str(), filter.action)),
                    );
                    if filters.left_out() > 0 {
                        tracing::warn!(%channel, left_out = filters.left_out(), "filters that cannot be used");
                    }
                    Arc::new(Sieve::new(filters))
                }
            };
            Ok(Some(Arc::new(RulesInForce { modes, sieve, filters_version })))
        };
        Ok(self.rules.get(channel, ask).await?.unwrap_or_default())
    }

    /// Where a member stands in a channel.
    pub(crate) async fn standing(&self, channel: UserId, user: UserId) -> db::Result<Option<Standing>> {
        let ask = async || db::moderation::standing(&mut *self.pool.acquire().await?, channel, user).await;
        self.standings.get((channel, user), ask).await
    }

    /// Forgets a member's place in a channel, or the channel's rules: they just changed.
    pub(crate) fn order_changed(&self, channel: UserId, user: Option<UserId>) {
        match user {
            Some(user) => self.standings.age(&(channel, user)),
            None => {
                self.rules.age(&channel);
                self.emotes.age(&channel);
            }
        }
    }

    /// The emotes a channel has of its own.
    pub(crate) async fn emotes(&self, channel: UserId) -> db::Result<Arc<OwnEmotes>> {
        let ask = async || {
            let found = db::emotes::list(&mut *self.pool.acquire().await?, channel).await?;
            let own = found.into_iter().map(|one| (one.name, picture_in_line(one.id)));
            Ok(Some(Arc::new(own.collect::<OwnEmotes>())))
        };
        Ok(self.emotes.get(channel, ask).await?.unwrap_or_default())
    }

    /// Keeps a line back.
    pub(crate) async fn hold(&self, line: &Held) -> db::Result<Holding> {
        held::hold(&mut *self.pool.acquire().await?, line).await
    }

    /// Drops lines kept back whose time is over, and forgets those that have been over for long.
    pub(crate) async fn expire_held(&self, limit: i64) -> db::Result<Vec<(Held, Username)>> {
        let mut conn = self.pool.acquire().await?;
        held::forget(&mut conn, limit).await?;
        held::expire(&mut conn, limit).await
    }

    /// A transaction for what a moderator does.
    pub(crate) async fn begin(&self) -> db::Result<db::Tx> {
        db::begin(&self.pool).await
    }

    /// Forgets which stream a channel has on air: it just changed.
    pub(crate) fn stream_changed(&self, name: &Username) {
        self.closed.entries.invalidate(name);
        if let Some((_, Some(channel))) = self.channels.entries.get(name) {
            self.streams.entries.invalidate(&channel);
        }
    }

    pub(crate) async fn channels_on_air(&self, limit: i64) -> db::Result<Vec<Username>> {
        db::chat::channels_on_air(&mut *self.pool.acquire().await?, limit).await
    }

    /// The streams on air and their channels.
    pub(crate) async fn airing(&self, limit: i64) -> db::Result<Vec<(StreamId, Username)>> {
        let airing = db::analytics::on_air(&mut *self.pool.acquire().await?, limit).await?;
        Ok(airing.into_iter().filter_map(|one| Some((one.stream, Username::parse(&one.username).ok()?))).collect())
    }

    /// Writes a minute, and what was said and followed in those before it.
    pub(crate) async fn write_minute(
        &self,
        minute: Timestamp,
        samples: &[Sample],
        tallies: &[Tally],
        limit: i64,
    ) -> db::Result<()> {
        let mut conn = self.pool.acquire().await?;
        db::analytics::note(&mut conn, minute, samples).await?;
        db::analytics::tally(&mut conn, tallies, limit).await
    }

    /// Streams that are over and whose audience is not written down.
    pub(crate) async fn unclosed(&self, limit: i64) -> db::Result<Vec<StreamId>> {
        db::analytics::unclosed(&mut *self.pool.acquire().await?, limit).await
    }

    pub(crate) async fn close_audience(&self, stream: StreamId, audience: Option<&Audience>) -> db::Result<bool> {
        db::analytics::close(&mut *self.pool.acquire().await?, stream, audience).await
    }

    pub(crate) async fn raise_peaks(&self, peaks: &[(Username, u64)]) -> db::Result<u64> {
        db::chat::raise_peaks(&mut *self.pool.acquire().await?, peaks).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> db::DbError {
        db::DbError::Unavailable(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_last_is_used_while_the_database_is_away() {
        let memory = Memory::<u8, u8>::new(Duration::from_secs(1));
        assert!(memory.get(1, async || Err(away())).await.is_err(), "nothing is known yet");
        assert_eq!(memory.get(1, async || Ok(Some(5))).await.unwrap(), Some(5));
        assert_eq!(memory.get(1, async || panic!("fresh enough")).await.unwrap(), Some(5));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(memory.get(1, async || Err(away())).await.unwrap(), Some(5));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(memory.get(1, async || Ok(None)).await.unwrap(), None);
    }
}
