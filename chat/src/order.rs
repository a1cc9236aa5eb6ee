//! Order in a channel's chat: who may speak there now, what holds there, and what moderators may do about it.
//!
//! The rules are [`domain::order`]; what moderators do is in [`acts`], how it is taken back in [`undo`], where they are told in
//! [`desk`], what waits for them in [`held`], and who they are in [`office`]. [`sieve`] bounds what filters cost.

pub(crate) mod acts;
pub(crate) mod desk;
pub(crate) mod held;
mod office;
pub(crate) mod sieve;
mod undo;

use std::time::Duration;

use db::chat::Chatter;
use db::moderation::{Sanction, Standing};
use domain::chat::emote;
use domain::order::{Folded, HeldFor, Modes, Objection, Rank, UNIQUE_FOR, Verdict, is_only_emotes_of, judge};
use domain::user::Username;
use domain::{Timestamp, UserId};
use live::fanout::{ORDER, Push, Target};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::events::{Answered, done};
use crate::gateway::{Gateway, News};
use crate::refusal::Refusal;
use crate::registry::Member;

#[derive(Debug, Deserialize)]
pub(crate) struct Room {
    username: String,
}

pub(crate) fn forbidden() -> Refusal {
    Refusal::new("chat.forbidden", "that is for the channel's owner and moderators")
}

pub(crate) fn rank(standing: &Standing, user: UserId, channel: UserId) -> Rank {
    Rank::of(standing.role, user == channel, standing.is_moderator)
}

/// Modes as clients get them: what holds, and whether it is the shield's doing.
pub(crate) fn modes_view(modes: Modes) -> Value {
    let now = modes.effective();
    json!({
        "slow_s": now.slow_s,
        "followers_only_s": now.followers_only_s,
        "emote_only": now.emote_only,
        "unique": now.unique,
        "links": now.links,
        "shield": modes.shield,
    })
}

/// A sanction as its member gets it. Without `until` it is a ban.
fn sanction_view(sanction: &Sanction) -> Value {
    json!({ "until": sanction.ends_at, "reason": sanction.reason })
}

/// What is left of a wait.
fn until(at: Timestamp) -> Duration {
    (at - kit::clock::now()).to_std().unwrap_or_default()
}

fn refusal_of(objection: Objection, modes: Modes) -> Refusal {
    let minutes = modes.effective().followers_only_s.unwrap_or(0).div_ceil(60);
    let followers = match minutes {
        0 => "only followers may write here now".to_owned(),
        minutes => format!("only who has followed for {minutes} min may write here now"),
    };
    match objection {
        Objection::NotFollowing => Refusal::new("chat.followers-only", followers),
        Objection::FollowsTooShort(left) => Refusal::new("chat.followers-only", followers).later(left),
        Objection::NotOnlyEmotes => Refusal::new("chat.emote-only", "only emotes may be sent here now"),
        Objection::Link => Refusal::new("chat.links", "links may not be sent here"),
        Objection::Filtered => Refusal::new("chat.filtered", "the channel does not allow what the message says"),
    }
}

/// A line that may be said, or kept back for a moderator.
pub(crate) struct Judged {
    /// Who its author is here.
    pub standing: Standing,
    pub held: Option<HeldFor>,
    /// The modes, for those they hold for.
    modes: Option<Modes>,
    /// What the line took, to be given back if it is not said after all.
    taken: Vec<String>,
}

impl Judged {
    /// Whether what holds in the channel holds for its author, and the operator's review with it.
    pub(crate) fn is_under_rules(&self) -> bool {
        self.modes.is_some()
    }
}

impl Gateway {
    /// Whether a line may be said, and who its author is here. Called before it is stored; a line sent again under its
    /// `client_id` is judged as it was.
    pub(crate) async fn judge(
        &self,
        channel: UserId,
        author: &Chatter,
        text: &str,
        client_id: &str,
    ) -> Result<Judged, Refusal> {
        let mut judged = self.judge_words(channel, author, text).await?;
        let Some(modes) = judged.modes.map(Modes::effective) else { return Ok(judged) };
        let by = format!("{}:{client_id}", author.id);
        let said = modes.unique.then(|| {
            let folded = Folded::new(text);
            let line = if folded.as_str().is_empty() { text } else { folded.as_str() };
            // A keyed digest: what was said cannot be read back out of Redis.
            let digest = kit::seal::derive_key(&self.secret, &format!("chat-line:{line}"));
            format!("said:{channel}:{}", hex(&digest))
        });
        if let Some(said) = &said
            && let Err(left) = self.claims.claim(said, &by, UNIQUE_FOR).await
        {
            return Err(Refusal::new("chat.not-unique", "somebody has said that already").later(left));
        }
        judged.taken.extend(said);
        if modes.slow_s > 0 {
            // With the pace in its name: a channel made faster does not wait for the slower one's end.
            let turn = format!("slow:{channel}:{}:{}", modes.slow_s, author.id);
            let pace = Duration::from_secs(u64::from(modes.slow_s));
            if let Err(left) = self.claims.claim(&turn, &by, pace).await {
                self.give_back(&judged, author.id, client_id).await;
                let detail = format!("one message every {} s", modes.slow_s);
                return Err(Refusal::new("chat.slow", detail).later(left));
            }
            judged.taken.push(turn);
        }
        Ok(judged)
    }

    /// Lets go of what a line took that is not said after all.
    pub(crate) async fn give_back(&self, judged: &Judged, author: UserId, client_id: &str) {
        let by = format!("{author}:{client_id}");
        for name in &judged.taken {
            self.claims.release(name, &by).await;
        }
    }

    /// Whether a text may stand there by what it says and by who says it.
    pub(crate) async fn judge_words(&self, channel: UserId, author: &Chatter, text: &str) -> Result<Judged, Refusal> {
        let standing = self.standing(channel, author.id).await?;
        let rank = rank(&standing, author.id, channel);
        if let Some(refusal) = barred(&standing, rank) {
            return Err(refusal);
        }
        if rank.may_moderate() {
            return Ok(Judged { standing, held: None, modes: None, taken: Vec::new() });
        }
        let rules = self.facts.rules(channel).await?;
        let now = kit::clock::now();
        let follows_for = standing.follows_since.map(|since| (now - since).to_std().unwrap_or_default());
        let asked = Instant::now();
        rules.sieve.admit(asked).map_err(|left| {
            Refusal::new("chat.throttled", "the channel's filters have much to do: try again shortly").later(left)
        })?;
        let verdict = judge(rules.modes, &rules.sieve.filters, text, follows_for);
        rules.sieve.charge(asked, asked.elapsed());
        let held = match verdict {
            Verdict::Refused(objection) => return Err(refusal_of(objection, rules.modes)),
            Verdict::Held(why) => Some(why),
            Verdict::Said => None,
        };
        if rules.modes.effective().emote_only && !self.shows_only_emotes(channel, text).await {
            return Err(refusal_of(Objection::NotOnlyEmotes, rules.modes));
        }
        Ok(Judged { standing, held, modes: Some(rules.modes), taken: Vec::new() })
    }

    /// Whether every name between colons is an emote's. While nobody can say which ones the channel has, any may be.
    async fn shows_only_emotes(&self, channel: UserId, text: &str) -> bool {
        if is_only_emotes_of(text, |name| emote::built_in(name).is_some()) {
            return true;
        }
        match self.facts.emotes(channel).await {
            Ok(own) => is_only_emotes_of(text, |name| emote::built_in(name).is_some() || own.contains_key(name)),
            Err(_) => true,
        }
    }

    pub(crate) async fn standing(&self, channel: UserId, user: UserId) -> Result<Standing, Refusal> {
        self.facts.standing(channel, user).await?.ok_or_else(Refusal::unauthenticated)
    }

    /// What a joining client is told of the channel's order, and of its member's place in it.
    pub(crate) async fn order_of(&self, member: &Member, channel: UserId) -> Result<(Value, Value), Refusal> {
        let rules = self.facts.rules(channel).await?;
        let modes = modes_view(rules.modes);
        let Some(identity) = member.session.identity() else { return Ok((modes, Value::Null)) };
        let standing = self.standing(channel, identity.user).await?;
        let now = kit::clock::now();
        let sanction = standing.sanction.as_ref().filter(|sanction| sanction.ends_at.is_none_or(|end| end > now));
        let me = json!({
            "is_moderator": rank(&standing, identity.user, channel).may_moderate(),
            "sanction": sanction.map(sanction_view),
            "warning": standing.warning.as_ref().map(|reason| json!({ "reason": reason })),
            "follows_since": standing.follows_since,
        });
        Ok((modes, me))
    }

    /// A member has read the warning that stood against them.
    pub(crate) async fn warning_read(&self, member: &Member, room: Room) -> Answered {
        let identity = self.current(member).await?;
        let name = Username::parse(&room.username)?;
        let channel = self.channel(&name).await?;
        let mut tx = self.facts.begin().await?;
        db::moderation::unwarn(&mut tx, channel, identity.user, None).await?;
        db::commit(tx).await?;
        self.order_changed(&name, channel, Some(identity.user));
        done(json!({ "ok": true }))
    }

    /// Forgets here and on every node what was known of a channel's rules, or of a member in it.
    pub(crate) fn order_changed(&self, name: &Username, channel: UserId, user: Option<UserId>) {
        self.facts.order_changed(channel, user);
        self.outward.send(Push {
            target: Target::Channel(name.clone()),
            event: ORDER.to_owned(),
            payload: json!({ "channel": channel, "user": user }),
            origin: Some(self.node.clone()),
        });
    }

    /// Another node, or the API, says that a channel's order has changed.
    pub(crate) fn order_heard(&self, payload: &Value) {
        let id = |field: &str| payload[field].as_str().and_then(|id| id.parse::<UserId>().ok());
        if let Some(channel) = id("channel") {
            self.facts.order_changed(channel, id("user"));
        }
    }

    async fn tell_room_of(&self, name: &Username, event: &'static str, payload: Value) {
        self.tell(News { target: Target::Channel(name.clone()), event, payload, message: None }).await;
    }

    async fn tell_member(&self, user: UserId, event: &'static str, payload: Value) {
        self.tell(News { target: Target::User(user), event, payload, message: None }).await;
    }
}

fn hex(digest: &[u8; 32]) -> String {
    let (half, _) = digest.split_at(16);
    half.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What keeps a member from writing whatever they write.
fn barred(standing: &Standing, rank: Rank) -> Option<Refusal> {
    if rank == Rank::Keeper {
        return None;
    }
    let because = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if let Some(sanction) = &standing.sanction {
        match sanction.ends_at {
            None => {
                let detail = format!("you are banned from this chat{}", because(&sanction.reason));
                return Some(Refusal::new("chat.banned", detail));
            }
            Some(end) if end > kit::clock::now() => {
                let detail = format!("you are timed out{}", because(&sanction.reason));
                return Some(Refusal::new("chat.timed-out", detail).later(until(end)));
            }
            Some(_) => {}
        }
    }
    let warning = standing.warning.as_ref()?;
    Some(Refusal::new("chat.warned", format!("a moderator warned you{}", because(warning))))
}
