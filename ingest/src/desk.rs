//! Who may publish, and what is written down about it.
//!
//! Owns the order of questions (limit, key, account, slot, operator, claim) and every call to the database on behalf of one
//! session. Media never waits here: going on air and going off are written by tasks of their own or to the journal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use db::publish::{self, Claim, Done, NewPublish, Rules};
use domain::stream::{PublishEnd, PublishError};
use domain::user::Username;
use kit::retry::Backoff;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::command::{self, Target};
use crate::guesses::{self, Guesses};
use crate::hooks::{self, Facts, Hooks, UPDATE_EVERY, Verdict};
use crate::journal::{self, Journal, bounded};
use crate::registry::{Bid, Cut, Presence, Registry, Reservation};
use crate::session::Request;

/// Longest wait for one answer of the database while a publisher waits.
const DATABASE_WAIT_MAX: Duration = Duration::from_millis(2_000);
/// Publishers asked about at a time: a flood of them must not take all database connections.
const LOOKUPS_MAX: usize = 6;
/// Longest wait of a newcomer for the end of its predecessor to be written.
const SLOT_WAIT_MAX: Duration = Duration::from_secs(3);

/// What the desk needs.
pub(crate) struct Desk {
    pub(crate) pool: db::Pool,
    pub(crate) rules: Rules,
    pub(crate) node: String,
    pub(crate) hooks: Hooks,
    pub(crate) guesses: Guesses,
    pub(crate) registry: Arc<Registry>,
    pub(crate) journal: Journal,
    pub(crate) tasks: TaskTracker,
    lookups: Semaphore,
    clients: AtomicU64,
}

/// A yes: the claim, on air in the registry, and what the hooks are told.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) presence: Arc<Presence>,
    pub(crate) facts: Facts,
    /// The newest media timestamp, for `on_update`.
    pub(crate) timestamp_ms: Arc<AtomicU32>,
}

impl Grant {
    pub(crate) fn claim(&self) -> &Claim {
        &self.presence.claim
    }
}

impl Desk {
    pub(crate) fn new(
        pool: db::Pool,
        node: String,
        rules: Rules,
        hooks: Hooks,
        journal: Journal,
        failures_per_minute: u32,
    ) -> Self {
        Self {
            pool,
            rules,
            node,
            hooks,
            guesses: Guesses::new(failures_per_minute),
            registry: Arc::default(),
            journal,
            tasks: TaskTracker::new(),
            lookups: Semaphore::new(LOOKUPS_MAX),
            clients: AtomicU64::new(1),
        }
    }

    /// Answers a publisher. Unknown, malformed and empty keys take the same way and the same random time.
    pub(crate) async fn authorize(&self, request: Request, addr: SocketAddr) -> Result<Grant, PublishError> {
        let verdict = self.judge(request, addr).await;
        if let Err(error) = &verdict
            && matches!(error, PublishError::UnknownKey | PublishError::Throttled)
        {
            tokio::time::sleep(guesses::delay()).await;
        }
        verdict
    }

    async fn judge(&self, request: Request, addr: SocketAddr) -> Result<Grant, PublishError> {
        let ip = addr.ip().to_canonical();
        if self.guesses.is_locked(ip, Instant::now()) {
            return Err(PublishError::Throttled);
        }
        let target = command::target(&request.connect.app, &request.name);
        let key = target.as_ref().map_or("", |target| target.key.as_str());
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let channel = self.find(&digest).await?;
        let known = channel.filter(|channel| bool::from(channel.key_digest[..].ct_eq(&digest[..])));
        let (Some(target), Some(channel)) = (target, known) else {
            self.guesses.failed(ip, Instant::now());
            return Err(PublishError::UnknownKey);
        };
        if channel.is_suspended {
            return Err(PublishError::Suspended);
        }
        let bid = Bid { priority: command::priority(&target.args), is_invited: channel.is_takeover_offered };
        let reserved = tokio::time::timeout(SLOT_WAIT_MAX, self.registry.reserve(channel.channel_id, bid)).await;
        let Ok(Some(slot)) = reserved else {
            return Err(PublishError::AlreadyLive { channel: channel.username });
        };
        let facts = self.facts(request, &target, &channel.username, ip.to_string());
        match self.hooks.publish(&facts).await {
            Verdict::Allowed => {}
            Verdict::Refused(status) => {
                info!(channel = %channel.username, status = status.as_u16(), "the operator's hook refused a publish");
                return Err(PublishError::RefusedByHook);
            }
            Verdict::Unreachable => return Err(PublishError::RefusedByHook),
        }
        self.claim(channel, slot, bid, facts).await
    }

    async fn find(&self, digest: &[u8; 32]) -> Result<Option<publish::Channel>, PublishError> {
        let _turn = self.lookups.acquire().await.map_err(unavailable)?;
        bounded(DATABASE_WAIT_MAX, async {
            let mut conn = self.pool.acquire().await?;
            publish::authorize(&mut conn, digest).await
        })
        .await
        .map_err(unavailable)
    }

    async fn claim(
        &self,
        channel: publish::Channel,
        slot: Reservation,
        bid: Bid,
        facts: Facts,
    ) -> Result<Grant, PublishError> {
        let _turn = self.lookups.acquire().await.map_err(unavailable)?;
        // What an outage kept from being written may be this very stream's end.
        self.journal.deliver(&self.pool, self.rules).await.map_err(unavailable)?;
        let new = NewPublish {
            channel_id: channel.channel_id,
            node: &self.node,
            addr: &facts.addr,
            client_id: &facts.client_id,
            args: &facts.args,
            app: &facts.app,
            at: kit::clock::now(),
            priority: bid.priority,
            is_challenge: slot.is_challenge(),
        };
        let claimed = bounded(DATABASE_WAIT_MAX, async {
            let mut tx = db::begin(&self.pool).await?;
            let claim = publish::claim(&mut tx, &new, self.rules).await?;
            db::commit(tx).await?;
            Ok(claim)
        })
        .await
        .map_err(unavailable)?;
        match claimed {
            Some(claim) => Ok(Grant { presence: slot.occupy(claim), facts, timestamp_ms: Arc::new(AtomicU32::new(0)) }),
            None => Err(PublishError::AlreadyLive { channel: channel.username }),
        }
    }

    fn facts(&self, request: Request, target: &Target, username: &Username, addr: String) -> Facts {
        let connect = *request.connect;
        // With everything in one address, the address holds the key.
        let scrub = |text: String| match target.key.as_str() {
            "" => text,
            key => text.replace(key, username.as_str()),
        };
        Facts {
            app: target.app.to_owned(),
            flash_ver: connect.flash_ver,
            swf_url: scrub(connect.swf_url),
            tc_url: scrub(connect.tc_url),
            page_url: scrub(connect.page_url),
            addr,
            client_id: self.clients.fetch_add(1, Ordering::Relaxed).to_string(),
            username: username.as_str().to_owned(),
            args: hooks::publishers_own(&target.args),
        }
    }

    /// Writes down that the first picture has arrived; tries until it is done or the session is over.
    pub(crate) fn online(self: &Arc<Self>, presence: &Arc<Presence>) {
        let (desk, presence) = (Arc::clone(self), Arc::clone(presence));
        self.tasks.spawn(async move {
            let claim = &presence.claim;
            let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
            while !presence.is_ending() {
                let written = bounded(DATABASE_WAIT_MAX, async {
                    let mut tx = db::begin(&desk.pool).await?;
                    let is_ours = publish::online(&mut tx, claim.stream_id, claim.publish_id, claim.epoch).await?;
                    db::commit(tx).await?;
                    Ok(is_ours)
                });
                match written.await {
                    Ok(true) => return,
                    Ok(false) => return presence.cut(Cut::Superseded),
                    Err(error) => {
                        warn!(stream = %claim.stream_id, error = %error, "going on air is not written down yet");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                    () = presence.gone() => return,
                }
            }
        });
    }

    /// Reports a running publish to the operator until it ends or the operator says no.
    pub(crate) fn report(self: &Arc<Self>, grant: &Grant) {
        if !self.hooks.has_update() {
            return;
        }
        let (desk, presence) = (Arc::clone(self), Arc::clone(&grant.presence));
        let (facts, timestamp_ms, since) = (grant.facts.clone(), Arc::clone(&grant.timestamp_ms), Instant::now());
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(UPDATE_EVERY) => {}
                    () = presence.gone() => return,
                }
                let timestamp_ms = timestamp_ms.load(Ordering::Relaxed);
                if let Verdict::Refused(status) = desk.hooks.update(&facts, since.elapsed(), timestamp_ms).await {
                    info!(channel = %facts.username, status = status.as_u16(), "the operator's hook cut a publish");
                    return presence.cut(Cut::Hook);
                }
            }
        });
    }

    /// Writes the end of a publish to Postgres, or to the journal when it is away, and frees the slot.
    pub(crate) async fn finish(&self, presence: &Arc<Presence>, end: PublishEnd, has_delivered: bool) {
        presence.begin_ending();
        let Claim { publish_id, stream_id, epoch, .. } = presence.claim;
        let done = Done { publish_id, stream_id, epoch, end, has_delivered, at: kit::clock::now() };
        // Behind others that wait, or it would overtake them.
        let written =
            if self.journal.is_empty() { journal::write(&self.pool, &done, self.rules).await.is_ok() } else { false };
        if !written && let Err(error) = self.journal.append(&done).await {
            // The sweep will find the stream by its missing heartbeat; only the reason is lost.
            error!(stream = %stream_id, error = format!("{error:#}"), "the end of a publish could not be written down");
        }
        self.registry.remove(presence);
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> PublishError {
    PublishError::Unavailable(Box::new(error))
}
