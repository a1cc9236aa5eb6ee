//! The moderators' desk of each channel: sockets that are told what happens there. Who is no moderator any more is shown out
//! before the next word.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::user::Username;
use live::fanout::{DESK, Push, Target};
use serde_json::{Value, json};
use socketioxide::socket::Sid;

use super::{Room, forbidden, rank};
use crate::events::{Answered, done};
use crate::gateway::Gateway;
use crate::limits::{DESK_SEATS_MAX, ROOMS_MAX};
use crate::refusal::Refusal;
use crate::registry::Member;

/// Who sits at which desk on this node.
#[derive(Default)]
pub(crate) struct Desks {
    seats: Mutex<HashMap<Username, HashMap<Sid, Member>>>,
}

impl Desks {
    fn lock(&self) -> MutexGuard<'_, HashMap<Username, HashMap<Sid, Member>>> {
        self.seats.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// False: there is no seat left, or the socket sits at too many desks.
    fn sit(&self, name: &Username, member: &Member) -> bool {
        let sid = member.socket.id;
        let mut seats = self.lock();
        let taken = seats.values().filter(|desk| desk.contains_key(&sid)).count();
        if taken >= ROOMS_MAX || seats.get(name).is_some_and(|desk| desk.len() >= DESK_SEATS_MAX) {
            return false;
        }
        // Under the lock: a socket that is gone has already been taken out.
        if !member.session.is_gone() {
            seats.entry(name.clone()).or_default().insert(sid, member.clone());
        }
        true
    }

    fn rise(&self, name: &Username, sid: Sid) {
        let mut seats = self.lock();
        if let Some(desk) = seats.get_mut(name) {
            desk.remove(&sid);
            if desk.is_empty() {
                seats.remove(name);
            }
        }
    }

    /// Takes a closed socket away from every desk.
    pub(crate) fn remove(&self, sid: Sid) {
        self.lock().retain(|_, desk| {
            desk.remove(&sid);
            !desk.is_empty()
        });
    }

    fn at(&self, name: &Username) -> Vec<Member> {
        self.lock().get(name).map(|desk| desk.values().cloned().collect()).unwrap_or_default()
    }
}

impl Gateway {
    pub(crate) async fn sit_down(&self, member: &Member, room: Room) -> Answered {
        let identity = self.current(member).await?;
        let name = Username::parse(&room.username)?;
        let channel = self.channel(&name).await?;
        let standing = self.standing(channel, identity.user).await?;
        if !rank(&standing, identity.user, channel).may_moderate() {
            return Err(forbidden());
        }
        if !self.desks.sit(&name, member) {
            return Err(Refusal::new("chat.too-many-rooms", "no more moderators fit there"));
        }
        done(json!({ "ok": true }))
    }

    pub(crate) fn rise(&self, member: &Member, room: &Room) -> Answered {
        self.desks.rise(&Username::parse(&room.username)?, member.socket.id);
        done(json!({ "ok": true }))
    }

    /// Tells the moderators of a channel, wherever they sit.
    pub(crate) async fn tell_desk(&self, name: &Username, event: &'static str, payload: Value) {
        self.tell_desk_here(name, event, &payload).await;
        self.outward.send(Push {
            target: Target::Channel(name.clone()),
            event: DESK.to_owned(),
            payload: json!({ "event": event, "payload": payload }),
            origin: Some(self.node.clone()),
        });
    }

    /// Another node tells the moderators of a channel.
    pub(crate) fn desk_heard(self: &Arc<Self>, push: Push) {
        let Target::Channel(name) = push.target else { return };
        let gateway = Arc::clone(self);
        self.tracker.spawn(async move {
            if let Some(event) = push.payload["event"].as_str() {
                gateway.tell_desk_here(&name, event, &push.payload["payload"]).await;
            }
        });
    }

    async fn tell_desk_here(&self, name: &Username, event: &str, payload: &Value) {
        let seated = self.desks.at(name);
        if seated.is_empty() {
            return;
        }
        let Ok(channel) = self.channel(name).await else { return };
        for member in seated {
            let is_moderator = match member.session.identity() {
                Some(identity) => self
                    .standing(channel, identity.user)
                    .await
                    .is_ok_and(|standing| rank(&standing, identity.user, channel).may_moderate()),
                None => false,
            };
            if is_moderator {
                let _told = member.socket.emit(event, payload);
            } else {
                self.desks.rise(name, member.socket.id);
            }
        }
    }
}
