//! Sign-ins of open sockets, checked again and again: what was revoked while the news of it was lost ends here.

use std::sync::Arc;

use futures::StreamExt;
use kit::Stop;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::gateway::{Expiry, Gateway};
use crate::limits::{AUTH_SWEEP_EVERY, AUTH_SWEEP_MAX};
use crate::registry::Member;
use crate::session::Identity;

/// Questions to Redis at a time, when Postgres cannot answer for all.
const ASKED_AT_ONCE: usize = 32;

pub(crate) async fn run(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(AUTH_SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut from = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => from = gateway.sweep(from).await,
        }
    }
}

impl Gateway {
    /// One round, beginning at the `from`th sign-in. Returns where the next begins.
    async fn sweep(&self, from: usize) -> usize {
        self.clear_rooms(&self.registry.rooms()).await;
        let (now, moment) = (kit::clock::unix_seconds(), Instant::now());
        for member in self.registry.all() {
            if member.session.close_at().is_some_and(|at| at <= moment) {
                self.close(&member);
            }
        }
        let mut good = Vec::new();
        for (member, identity) in self.registry.signed_in() {
            if identity.expires_at <= now {
                self.expire(&member, Expiry::Expired);
            } else {
                good.push((member, identity));
            }
        }
        if good.is_empty() {
            return 0;
        }
        // A stable order, so that rounds over many sign-ins reach each of them.
        good.sort_by_key(|(_, identity)| identity.session);
        let from = if from >= good.len() { 0 } else { from };
        let round = &good[from..good.len().min(from + AUTH_SWEEP_MAX)];
        for member in self.dead_among(round).await {
            self.expire(&member, Expiry::Revoked);
        }
        from + round.len()
    }

    async fn dead_among(&self, asked: &[(Member, Identity)]) -> Vec<Member> {
        let sessions: Vec<_> = asked.iter().map(|(_, identity)| identity.session).collect();
        match self.facts.dead_sessions(&sessions).await {
            Ok(dead) => {
                let is_dead = |identity: &Identity| dead.contains(&identity.session);
                asked.iter().filter(|(_, identity)| is_dead(identity)).map(|(member, _)| member.clone()).collect()
            }
            Err(_) => {
                let answers = futures::stream::iter(asked.iter().cloned()).map(|(member, identity)| async move {
                    let is_revoked = self.revocations.is_revoked(identity.session, identity.jti).await;
                    (is_revoked == Some(true)).then_some(member)
                });
                answers.buffer_unordered(ASKED_AT_ONCE).filter_map(std::future::ready).collect().await
            }
        }
    }
}
