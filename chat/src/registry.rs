//! The sockets of this node: which rooms they sit in, which viewers and members they stand for.
//!
//! Holds no rule about who may do what. Every method is quick and never waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, RwLock};

use domain::UserId;
use domain::user::Username;
use live::fanout::Target;
use socketioxide::socket::Sid;

use crate::limits::ROOMS_MAX;
use crate::peer::Peer;
use crate::saying::Saying;
use crate::session::{Identity, Session};
use crate::wire::Full;

/// One open socket, or one feed.
#[derive(Clone)]
pub(crate) struct Member {
    pub socket: Peer,
    pub session: Arc<Session>,
}

impl Member {
    /// Hands something over. A socket that takes no more is cut.
    pub(crate) fn hear(&self, saying: &Saying) {
        let is_full = match self.session.wire() {
            Some(wire) => wire.upgrade().is_some_and(|wire| wire.send(&saying.frames) == Err(Full)),
            None => saying.events.iter().any(|(event, payload)| self.socket.hear(event, payload) == Err(Full)),
        };
        if is_full {
            metrics::counter!("rillcast_chat_cut_total", "reason" => "slow").increment(1);
            self.session.cut(&self.socket);
        }
    }
}

/// A viewer and the channel it watches.
pub(crate) type Watching = (Username, Arc<str>);

#[derive(Default)]
pub(crate) struct Registry {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    sockets: HashMap<Sid, Entry>,
    rooms: HashMap<Username, Room>,
    users: HashMap<UserId, HashSet<Sid>>,
}

struct Entry {
    member: Member,
    user: Option<UserId>,
    rooms: Vec<Username>,
}

#[derive(Default)]
struct Room {
    members: HashMap<Sid, Member>,
    /// Sockets per viewer: a viewer with two counts once.
    viewers: HashMap<Arc<str>, usize>,
}

/// Why a socket did not get into a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum JoinRefusal {
    Gone,
    TooManyRooms,
}

/// What a closed socket leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Who was seen through it.
    pub user: Option<UserId>,
    /// Viewers of whom no socket is left here.
    pub watching: Vec<Watching>,
}

impl Room {
    /// Whether that was the viewer's last socket here.
    fn let_go(&mut self, viewer: &Arc<str>) -> bool {
        let Some(sockets) = self.viewers.get_mut(viewer) else { return false };
        *sockets -= 1;
        let is_last = *sockets == 0;
        if is_last {
            self.viewers.remove(viewer);
        }
        is_last
    }
}

impl Inner {
    fn leave_room(&mut self, sid: Sid, name: &Username, viewer: &Arc<str>) -> Option<Watching> {
        let room = self.rooms.get_mut(name)?;
        let left = room.members.remove(&sid)?;
        let is_last = left.socket.is_somebody() && room.let_go(viewer);
        if room.members.is_empty() {
            self.rooms.remove(name);
        }
        is_last.then(|| (name.clone(), Arc::clone(viewer)))
    }

    fn forget_user(&mut self, sid: Sid, user: UserId) {
        if let Some(sids) = self.users.get_mut(&user) {
            sids.remove(&sid);
            if sids.is_empty() {
                self.users.remove(&user);
            }
        }
    }
}

impl Registry {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes a socket in, once. False: it closed before it was announced.
    pub(crate) fn add(&self, member: Member) -> bool {
        let sid = member.socket.id;
        let user = member.session.identity().map(|identity| identity.user);
        let mut inner = self.write();
        if member.session.is_gone() {
            return false;
        }
        if inner.sockets.contains_key(&sid) {
            return true;
        }
        if let Some(user) = user {
            inner.users.entry(user).or_default().insert(sid);
        }
        inner.sockets.insert(sid, Entry { member, user, rooms: Vec::new() });
        true
    }

    /// Takes a feed in. False: its member has `max` of them already.
    pub(crate) fn add_feed(&self, member: Member, max: usize) -> bool {
        let sid = member.socket.id;
        let user = member.session.identity().map(|identity| identity.user);
        let mut inner = self.write();
        if let Some(user) = user {
            let theirs = inner.users.get(&user).into_iter().flatten().filter_map(|sid| inner.sockets.get(sid));
            if theirs.filter(|entry| !entry.member.socket.is_somebody()).count() >= max {
                return false;
            }
            inner.users.entry(user).or_default().insert(sid);
        }
        inner.sockets.insert(sid, Entry { member, user, rooms: Vec::new() });
        true
    }

    pub(crate) fn knows(&self, sid: Sid) -> bool {
        self.read().sockets.contains_key(&sid)
    }

    /// Takes a closed socket out of everything.
    pub(crate) fn remove(&self, sid: Sid, session: &Session) -> Left {
        let mut inner = self.write();
        // Under the lock: a socket that closes before it is announced must not be taken in afterwards.
        session.set_gone();
        let Some(entry) = inner.sockets.remove(&sid) else { return Left::default() };
        if let Some(user) = entry.user {
            inner.forget_user(sid, user);
        }
        let viewer = &entry.member.session.viewer;
        let watching = entry.rooms.iter().filter_map(|room| inner.leave_room(sid, room, viewer)).collect();
        Left { user: entry.user.filter(|_| entry.member.socket.is_somebody()), watching }
    }

    /// Says for whom a socket speaks from now on. Returns for whom it spoke.
    pub(crate) fn set_identity(&self, sid: Sid, identity: Option<Identity>) -> Option<UserId> {
        let mut inner = self.write();
        let now = identity.map(|identity| identity.user);
        let entry = inner.sockets.get_mut(&sid)?;
        entry.member.session.set_identity(identity);
        let before = std::mem::replace(&mut entry.user, now);
        if before != now {
            if let Some(user) = before {
                inner.forget_user(sid, user);
            }
            if let Some(user) = now {
                inner.users.entry(user).or_default().insert(sid);
            }
        }
        before
    }

    /// Lets a socket into a room; joining twice is joining once.
    pub(crate) fn join(&self, sid: Sid, name: &Username) -> Result<(), JoinRefusal> {
        let mut inner = self.write();
        let entry = inner.sockets.get_mut(&sid).ok_or(JoinRefusal::Gone)?;
        if entry.rooms.contains(name) {
            return Ok(());
        }
        if entry.rooms.len() >= ROOMS_MAX {
            return Err(JoinRefusal::TooManyRooms);
        }
        entry.rooms.push(name.clone());
        let member = entry.member.clone();
        let room = inner.rooms.entry(name.clone()).or_default();
        if member.socket.is_somebody() {
            *room.viewers.entry(Arc::clone(&member.session.viewer)).or_default() += 1;
        }
        room.members.insert(sid, member);
        Ok(())
    }

    /// Lets a socket out of a room. The viewer, if no other socket of it is in there.
    pub(crate) fn leave(&self, sid: Sid, name: &Username) -> Option<Watching> {
        let mut inner = self.write();
        let entry = inner.sockets.get_mut(&sid)?;
        let at = entry.rooms.iter().position(|room| room == name)?;
        entry.rooms.swap_remove(at);
        let viewer = Arc::clone(&entry.member.session.viewer);
        inner.leave_room(sid, name, &viewer)
    }

    /// Tells every socket that is meant. Those that take nothing are cut.
    pub(crate) fn tell(&self, target: &Target, saying: &Saying) {
        for member in self.meant(target) {
            member.hear(saying);
        }
    }

    fn meant(&self, target: &Target) -> Vec<Member> {
        let inner = self.read();
        match target {
            Target::Channel(name) => {
                inner.rooms.get(name).map_or_else(Vec::new, |r| r.members.values().cloned().collect())
            }
            Target::User(user) => {
                let sids = inner.users.get(user).into_iter().flatten();
                sids.filter_map(|sid| inner.sockets.get(sid)).map(|entry| entry.member.clone()).collect()
            }
            Target::Users(users) => {
                let sids = users.iter().filter_map(|user| inner.users.get(user)).flatten();
                sids.filter_map(|sid| inner.sockets.get(sid)).map(|entry| entry.member.clone()).collect()
            }
            Target::Site => inner.sockets.values().map(|entry| entry.member.clone()).collect(),
        }
    }

    pub(crate) fn sockets_in(&self, name: &Username) -> usize {
        self.read().rooms.get(name).map_or(0, |room| room.members.len())
    }

    /// Sockets in a room that somebody watches through.
    pub(crate) fn watching_in(&self, name: &Username) -> usize {
        let inner = self.read();
        inner.rooms.get(name).map_or(0, |room| room.members.values().filter(|m| m.socket.is_somebody()).count())
    }

    /// Every socket in a room.
    pub(crate) fn in_room(&self, name: &Username) -> Vec<Member> {
        self.read().rooms.get(name).map_or_else(Vec::new, |room| room.members.values().cloned().collect())
    }

    pub(crate) fn find(&self, sid: Sid) -> Option<Member> {
        self.read().sockets.get(&sid).map(|entry| entry.member.clone())
    }

    pub(crate) fn len(&self) -> usize {
        self.read().sockets.len()
    }

    /// Rooms with at least one socket.
    pub(crate) fn rooms(&self) -> Vec<Username> {
        self.read().rooms.keys().cloned().collect()
    }

    /// Unique viewers of a room on this node.
    pub(crate) fn viewers_here(&self, name: &Username) -> u64 {
        self.read().rooms.get(name).map_or(0, |room| room.viewers.len() as u64)
    }

    /// Every viewer on this node with what it watches.
    pub(crate) fn watching(&self) -> Vec<Watching> {
        let inner = self.read();
        let pairs =
            inner.rooms.iter().flat_map(|(name, room)| room.viewers.keys().map(|v| (name.clone(), Arc::clone(v))));
        pairs.collect()
    }

    /// Every socket that speaks for a member.
    pub(crate) fn signed_in(&self) -> Vec<(Member, Identity)> {
        let inner = self.read();
        let members = inner.sockets.values().map(|entry| &entry.member);
        members.filter_map(|member| Some((member.clone(), member.session.identity()?))).collect()
    }

    /// Every member who is here: with a socket, not only with a feed.
    pub(crate) fn users(&self) -> HashSet<UserId> {
        let inner = self.read();
        let here = inner.sockets.values().filter(|entry| entry.member.socket.is_somebody());
        here.filter_map(|entry| entry.user).collect()
    }

    /// Every socket.
    pub(crate) fn all(&self) -> Vec<Member> {
        self.read().sockets.values().map(|entry| entry.member.clone()).collect()
    }
}
