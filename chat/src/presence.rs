//! Who is there: sockets name the members they show, and are told of changes of those they may know of. When somebody was there last is
//! written down here too.
//!
//! Nothing is pushed between nodes: each asks Redis for those its own sockets show, all in one question, so that somebody with many friends
//! costs each node one number and each socket one line. Who may know of whom is in Postgres (`sees_presence`).

mod seen;
mod watchers;

use std::collections::HashMap;
use std::sync::Arc;

use domain::UserId;
use kit::Stop;
use live::fanout::Target;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) use self::seen::{LastSeen, note};
pub(crate) use self::watchers::Watchers;
use self::watchers::{News, Standing};
use crate::events::{Answered, done, parse};
use crate::gateway::Gateway;
use crate::limits::*;
use crate::message::moment;
use crate::refusal::Refusal;
use crate::registry::Member;
use crate::saying::Saying;

#[derive(Debug, Deserialize)]
struct Watch {
    user_ids: Vec<UserId>,
}

fn items(news: News) -> Value {
    let items = news.into_iter().map(|(user, standing)| {
        let shown = standing.map(
            |Standing { is_online, seen_at }| json!({ "is_online": is_online, "last_seen_at": seen_at.map(moment) }),
        );
        json!({ "user_id": user, "presence": shown })
    });
    items.collect()
}

impl Gateway {
    pub(crate) async fn presence_event(&self, member: &Member, event: &str, data: Value) -> Answered {
        match event {
            "presence:watch" => self.presence_watch(member, parse(data)?).await,
            _ => Err(Refusal::new("request.unknown-event", "there is no such event")),
        }
    }

    /// From now on the socket shows these members and no others.
    async fn presence_watch(&self, member: &Member, watch: Watch) -> Answered {
        let me = self.current(member).await?.user;
        let mut asked = watch.user_ids;
        asked.sort_unstable();
        asked.dedup();
        if asked.len() > PRESENCE_WATCHED_MAX {
            return Err(Refusal::invalid(format!("at most {PRESENCE_WATCHED_MAX} members can be watched")));
        }
        if asked.is_empty() {
            self.watchers.forget(member.socket.id);
            return done(json!({ "ok": true, "items": [] }));
        }
        let verdict = self.limits.hit(&format!("presence:{me}"), PRESENCE_ASKED).await;
        if !verdict.is_allowed {
            return Err(Refusal::new("chat.throttled", "you are asking too fast").later(verdict.retry_after));
        }
        let pairs: Vec<_> = asked.iter().map(|user| (me, *user)).collect();
        let seen = self.last_seen.of(&pairs).await?;
        let may: Vec<UserId> = seen.iter().map(|seen| seen.member).collect();
        let now = Instant::now();
        if !self.watchers.watch(member, me, asked, &seen, now) {
            return Err(Refusal::unavailable());
        }
        let answer = self.presence.connections(&may).await.unwrap_or_default();
        self.watchers.learn(&may, &answer, Instant::now(), kit::clock::now());
        done(json!({ "ok": true, "items": items(self.watchers.look(member.socket.id)) }))
    }

    /// What these members' lists are made of has changed, and with it perhaps whom they may know of.
    pub(crate) fn circles_changed(&self, target: &Target) {
        match target {
            Target::User(user) => self.watchers.suspect(&[*user]),
            Target::Users(users) => self.watchers.suspect(users),
            Target::Channel(_) | Target::Site => {}
        }
    }

    async fn presence_round(&self) {
        self.check_watchers().await;
        let asked = self.watchers.round();
        if !asked.is_empty() {
            // Unanswered is unknown: who says so of whom, and when, is the watchers' to decide.
            let answer = self.presence.connections(&asked).await.unwrap_or_default();
            self.watchers.learn(&asked, &answer, Instant::now(), kit::clock::now());
        }
        for (sid, viewer, news) in self.watchers.news(Instant::now()) {
            let is_theirs = |member: &Member| member.session.identity().is_some_and(|identity| identity.user == viewer);
            let Some(member) = self.registry.find(sid).filter(is_theirs) else {
                self.watchers.forget(sid);
                continue;
            };
            let Ok(raw) = serde_json::value::to_raw_value(&json!({ "items": items(news) })) else { continue };
            let mut saying = Saying::default();
            saying.push("presence:changed", &raw);
            member.hear(&saying);
        }
    }

    /// Asks again who may know of whom: soon after it changed, and now and then in case nobody told. While Postgres is away what was
    /// known stays: nothing can have changed.
    async fn check_watchers(&self) {
        let checks = self.watchers.checks(Instant::now());
        if checks.is_empty() {
            return;
        }
        let pairs: Vec<_> =
            checks.iter().flat_map(|check| check.asked.iter().map(|user| (check.viewer, *user))).collect();
        match self.last_seen.of(&pairs).await {
            Ok(seen) => {
                let mut of_viewer: HashMap<UserId, Vec<_>> = HashMap::new();
                for seen in seen {
                    of_viewer.entry(seen.viewer).or_default().push(seen);
                }
                for check in checks {
                    let seen = of_viewer.get(&check.viewer).map(Vec::as_slice).unwrap_or_default();
                    self.watchers.checked(&check, seen, Instant::now());
                }
            }
            Err(error) => {
                tracing::debug!(%error, "who may know of whom was not asked");
                self.watchers.unchecked(&checks);
            }
        }
    }
}

/// Tells sockets of those they watch.
pub(crate) async fn tell(gateway: Arc<Gateway>, stop: Stop) -> anyhow::Result<()> {
    let mut tick = interval(PRESENCE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => gateway.presence_round().await,
        }
    }
}
