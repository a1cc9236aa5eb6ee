//! Which sockets show whom, whom they may know of, and what each was told. Asks nobody.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use db::presence::Seen;
use domain::{Timestamp, UserId};
use socketioxide::socket::Sid;
use tokio::time::Instant;

use crate::limits::*;
use crate::registry::Member;

/// Whether somebody is there, and since when not. Of whom it is unknown, or who hides it, there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub is_online: bool,
    /// When they were there last, if that is known; not of who is there.
    pub seen_at: Option<Timestamp>,
}

/// What a socket is told.
pub(super) type News = Vec<(UserId, Option<Standing>)>;

/// A socket's watch that is to be asked about again.
#[derive(Debug)]
pub(super) struct Check {
    sid: Sid,
    pub viewer: UserId,
    pub asked: Vec<UserId>,
}

#[derive(Default)]
pub(crate) struct Watchers {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    watches: HashMap<Sid, Watch>,
    /// Everybody some socket may know of.
    people: HashMap<UserId, Known>,
    /// Members watched, summed over all sockets.
    pairs: usize,
    /// Where the next round begins, when there are more people than one can ask for.
    from: usize,
    /// Members whose own lists have changed, and members who show themselves to others than before.
    suspects: HashSet<UserId>,
    turned: HashSet<UserId>,
}

struct Watch {
    viewer: UserId,
    asked: Vec<UserId>,
    may: HashSet<UserId>,
    told: HashMap<UserId, Standing>,
    /// Of whom there may be something to tell.
    news: HashSet<UserId>,
    told_at: Option<Instant>,
    checked_at: Instant,
    is_suspect: bool,
}

struct Known {
    watchers: HashSet<Sid>,
    is_online: Option<bool>,
    answered_at: Instant,
    seen_at: Option<Timestamp>,
}

impl Known {
    fn standing(&self) -> Option<Standing> {
        let is_online = self.is_online?;
        Some(Standing { is_online, seen_at: self.seen_at.filter(|_| !is_online) })
    }
}

impl Inner {
    /// Lets a socket know of somebody.
    fn admit(&mut self, sid: Sid, seen: &Seen, now: Instant) {
        let known = self.people.entry(seen.member).or_insert_with(|| Known {
            watchers: HashSet::new(),
            is_online: None,
            answered_at: now,
            seen_at: None,
        });
        known.watchers.insert(sid);
        // What this node saw itself is the newer.
        known.seen_at = known.seen_at.max(seen.seen_at);
    }

    fn dismiss(&mut self, sid: Sid, user: UserId) {
        if let Some(known) = self.people.get_mut(&user) {
            known.watchers.remove(&sid);
            if known.watchers.is_empty() {
                self.people.remove(&user);
            }
        }
    }

    fn forget(&mut self, sid: Sid) {
        let Some(watch) = self.watches.remove(&sid) else { return };
        self.pairs -= watch.asked.len();
        for user in watch.may {
            self.dismiss(sid, user);
        }
    }

    fn standing(&self, watch: &Watch, user: UserId) -> Option<Standing> {
        if watch.may.contains(&user) { self.people.get(&user)?.standing() } else { None }
    }
}

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Says whom a socket shows, instead of those before. False: this node watches too many already.
    pub(super) fn watch(
        &self,
        member: &Member,
        viewer: UserId,
        asked: Vec<UserId>,
        seen: &[Seen],
        now: Instant,
    ) -> bool {
        let mut inner = self.lock();
        // Under the lock: a socket that is gone has already been taken out.
        if member.session.is_gone() {
            return true;
        }
        inner.set(member.socket.id, viewer, asked, seen, now)
    }

    /// Forgets a socket.
    pub(crate) fn forget(&self, sid: Sid) {
        self.lock().forget(sid);
    }

    /// What a socket is told of everybody it shows, for an answer.
    pub(super) fn look(&self, sid: Sid) -> News {
        let mut inner = self.lock();
        let Some(watch) = inner.watches.get(&sid) else { return Vec::new() };
        let all: News = watch.asked.iter().map(|user| (*user, inner.standing(watch, *user))).collect();
        if let Some(watch) = inner.watches.get_mut(&sid) {
            watch.told = all.iter().filter_map(|(user, standing)| Some((*user, (*standing)?))).collect();
            watch.news.clear();
        }
        all
    }

    /// Whom to ask for now.
    pub(super) fn round(&self) -> Vec<UserId> {
        let mut inner = self.lock();
        let count = inner.people.len();
        if count <= PRESENCE_ROUND_MAX {
            return inner.people.keys().copied().collect();
        }
        let mut all: Vec<UserId> = inner.people.keys().copied().collect();
        all.sort_unstable();
        let from = inner.from % count;
        inner.from = from + PRESENCE_ROUND_MAX;
        all.rotate_left(from);
        all.truncate(PRESENCE_ROUND_MAX);
        all
    }

    /// Takes an answer in. Of whom it says nothing, what was known holds for a moment, and then nothing is known.
    pub(super) fn learn(
        &self,
        asked: &[UserId],
        answer: &HashMap<UserId, Option<u64>>,
        now: Instant,
        clock: Timestamp,
    ) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        for user in asked {
            let Some(known) = inner.people.get_mut(user) else { continue };
            let before = known.standing();
            match answer.get(user).copied().flatten() {
                Some(count) => {
                    known.is_online = Some(count > 0);
                    known.answered_at = now;
                    if count > 0 {
                        known.seen_at = Some(clock);
                    }
                }
                None if now - known.answered_at >= PRESENCE_KEPT => known.is_online = None,
                None => {}
            }
            if known.standing() != before {
                for sid in &known.watchers {
                    if let Some(watch) = inner.watches.get_mut(sid) {
                        watch.news.insert(*user);
                    }
                }
            }
        }
    }

    /// What sockets are to hear now: each at most once a moment, of everybody at once.
    pub(super) fn news(&self, now: Instant) -> Vec<(Sid, UserId, News)> {
        let mut inner = self.lock();
        let due: Vec<Sid> = inner
            .watches
            .iter()
            .filter(|(_, watch)| {
                !watch.news.is_empty() && watch.told_at.is_none_or(|at| now - at >= PRESENCE_TOLD_EVERY)
            })
            .map(|(sid, _)| *sid)
            .collect();
        let mut all = Vec::with_capacity(due.len());
        for sid in due {
            let Some(watch) = inner.watches.get(&sid) else { continue };
            let changed = watch.news.iter().map(|user| (*user, inner.standing(watch, *user)));
            // Who left and came back meanwhile was not away.
            let news: News = changed.filter(|(user, now)| watch.told.get(user).copied() != *now).collect();
            let Some(watch) = inner.watches.get_mut(&sid) else { continue };
            watch.news.clear();
            if news.is_empty() {
                continue;
            }
            watch.told_at = Some(now);
            for (user, standing) in &news {
                match standing {
                    Some(standing) => watch.told.insert(*user, *standing),
                    None => watch.told.remove(user),
                };
            }
            all.push((sid, watch.viewer, news));
        }
        all
    }

    /// Whom these members may know of has perhaps changed.
    pub(crate) fn suspect(&self, viewers: &[UserId]) {
        let mut inner = self.lock();
        if !inner.watches.is_empty() {
            inner.suspects.extend(viewers);
        }
    }

    /// This member shows themselves to others than before, or sees others.
    pub(crate) fn turn(&self, user: UserId) {
        let mut inner = self.lock();
        if !inner.watches.is_empty() {
            inner.suspects.insert(user);
            inner.turned.insert(user);
        }
    }

    /// Nothing is certain: this node could not hear what changed.
    pub(crate) fn suspect_all(&self) {
        for watch in self.lock().watches.values_mut() {
            watch.is_suspect = true;
        }
    }

    /// Which watches to ask about again, as many as one question takes: first those of which something may have changed, then the oldest.
    pub(super) fn checks(&self, now: Instant) -> Vec<Check> {
        let mut inner = self.lock();
        let (suspects, turned) = (std::mem::take(&mut inner.suspects), std::mem::take(&mut inner.turned));
        if !suspects.is_empty() {
            for watch in inner.watches.values_mut() {
                let is_turned = || !turned.is_empty() && watch.asked.iter().any(|user| turned.contains(user));
                if suspects.contains(&watch.viewer) || is_turned() {
                    watch.is_suspect = true;
                }
            }
        }
        let mut due: Vec<(bool, Instant, Sid)> = inner
            .watches
            .iter()
            .filter(|(_, watch)| watch.is_suspect || now - watch.checked_at >= PRESENCE_CHECK_EVERY)
            .map(|(sid, watch)| (!watch.is_suspect, watch.checked_at, *sid))
            .collect();
        due.sort_unstable_by_key(|(is_later, at, _)| (*is_later, *at));
        let mut room = PRESENCE_CHECK_PAIRS;
        let mut checks = Vec::new();
        for (_, _, sid) in due {
            let Some(watch) = inner.watches.get_mut(&sid) else { continue };
            let Some(left) = room.checked_sub(watch.asked.len()) else { break };
            room = left;
            // Whatever changes while it is asked about makes it suspect again.
            watch.is_suspect = false;
            checks.push(Check { sid, viewer: watch.viewer, asked: watch.asked.clone() });
        }
        checks
    }

    /// Takes in whom a socket may know of now.
    pub(super) fn checked(&self, check: &Check, seen: &[Seen], now: Instant) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let Some(watch) = inner.watches.get_mut(&check.sid) else { return };
        if watch.viewer != check.viewer || watch.asked != check.asked {
            return;
        }
        watch.checked_at = now;
        let asked: HashSet<UserId> = check.asked.iter().copied().collect();
        let may: HashSet<UserId> = seen.iter().map(|seen| seen.member).filter(|user| asked.contains(user)).collect();
        let gone: Vec<UserId> = watch.may.difference(&may).copied().collect();
        let new: Vec<Seen> =
            seen.iter().filter(|s| may.contains(&s.member) && !watch.may.contains(&s.member)).copied().collect();
        watch.news.extend(gone.iter().copied().chain(new.iter().map(|seen| seen.member)));
        watch.may = may;
        for user in gone {
            inner.dismiss(check.sid, user);
        }
        for seen in new {
            inner.admit(check.sid, &seen, now);
        }
    }

    /// Nobody answered: these are asked about again, sooner than others.
    pub(super) fn unchecked(&self, checks: &[Check]) {
        let mut inner = self.lock();
        for check in checks {
            if let Some(watch) = inner.watches.get_mut(&check.sid) {
                watch.is_suspect = true;
            }
        }
    }
}

impl Inner {
    fn set(&mut self, sid: Sid, viewer: UserId, asked: Vec<UserId>, seen: &[Seen], now: Instant) -> bool {
        // How often it is told something does not change with whom it shows.
        let told_at = self.watches.get(&sid).and_then(|watch| watch.told_at);
        self.forget(sid);
        if self.pairs + asked.len() > PRESENCE_PAIRS_MAX {
            return false;
        }
        self.pairs += asked.len();
        for seen in seen {
            self.admit(sid, seen, now);
        }
        let watch = Watch {
            viewer,
            may: seen.iter().map(|seen| seen.member).collect(),
            asked,
            told: HashMap::new(),
            news: HashSet::new(),
            told_at,
            checked_at: now,
            is_suspect: false,
        };
        self.watches.insert(sid, watch);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn user() -> UserId {
        UserId::from_uuid(kit::ids::uuid())
    }

    fn seen(viewer: UserId, members: &[UserId]) -> Vec<Seen> {
        members.iter().map(|member| Seen { viewer, member: *member, seen_at: None }).collect()
    }

    struct Scene {
        watchers: Watchers,
        sid: Sid,
        viewer: UserId,
        now: Instant,
    }

    impl Scene {
        fn of(members: &[UserId]) -> Self {
            let scene = Self { watchers: Watchers::default(), sid: Sid::new(), viewer: user(), now: Instant::now() };
            scene.show(members, members);
            scene
        }

        fn show(&self, asked: &[UserId], may: &[UserId]) {
            let seen = seen(self.viewer, may);
            assert!(self.watchers.lock().set(self.sid, self.viewer, asked.to_vec(), &seen, self.now));
        }

        fn learn(&self, counts: &[(UserId, Option<u64>)], after_ms: u64) {
            let asked: Vec<UserId> = counts.iter().map(|(user, _)| *user).collect();
            let answer = counts.iter().copied().collect();
            self.watchers.learn(&asked, &answer, self.at(after_ms), kit::clock::now());
        }

        fn at(&self, after_ms: u64) -> Instant {
            self.now + Duration::from_millis(after_ms)
        }

        /// Who is said to be there now, not there, or unknown.
        fn told(&self, after_ms: u64) -> Vec<(UserId, Option<bool>)> {
            let news = self.watchers.news(self.at(after_ms));
            assert!(news.len() <= 1);
            let items = news.into_iter().flat_map(|(_, _, items)| items);
            items.map(|(user, standing)| (user, standing.map(|standing| standing.is_online))).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_hears_of_changes_together_and_at_most_once_a_second() {
        let (bob, carol) = (user(), user());
        let scene = Scene::of(&[bob, carol]);
        scene.learn(&[(bob, Some(1)), (carol, Some(0))], 0);
        assert_eq!(scene.told(0).len(), 2);
        scene.learn(&[(bob, Some(2))], 100);
        assert_eq!(scene.told(2_000), [], "another tab is no news");
        scene.learn(&[(bob, Some(0))], 2_100);
        assert_eq!(scene.told(2_100), [(bob, Some(false))]);
        scene.learn(&[(carol, Some(1))], 2_600);
        assert_eq!(scene.told(2_600), [], "too soon");
        scene.learn(&[(bob, Some(1))], 2_900);
        let mut both = [(bob, Some(true)), (carol, Some(true))];
        both.sort_unstable();
        let mut told = scene.told(3_100);
        told.sort_unstable();
        assert_eq!(told, both);
        scene.learn(&[(bob, Some(0))], 3_200);
        scene.learn(&[(bob, Some(1)), (carol, Some(0))], 3_900);
        assert_eq!(scene.told(4_100), [(carol, Some(false))], "and Bob was away only for a moment");
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_what_was_known_holds_for_a_moment_and_is_unknown_then() {
        let bob = user();
        let scene = Scene::of(&[bob]);
        scene.learn(&[(bob, Some(1))], 0);
        assert_eq!(scene.told(0), [(bob, Some(true))]);
        let kept = u64::try_from(PRESENCE_KEPT.as_millis()).unwrap();
        scene.learn(&[(bob, None)], kept - 1);
        assert_eq!(scene.told(kept - 1), []);
        scene.learn(&[(bob, None)], kept);
        assert_eq!(scene.told(kept), [(bob, None)]);
        scene.learn(&[(bob, Some(0))], kept + 2_000);
        let news = scene.watchers.news(scene.at(kept + 2_000));
        assert!(news[0].2[0].1.unwrap().seen_at.is_some(), "when they were there last is not forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_not_be_known_of_any_more_looks_like_somebody_unknown() {
        let (bob, carol) = (user(), user());
        let scene = Scene::of(&[bob, carol]);
        scene.learn(&[(bob, Some(1)), (carol, Some(1))], 0);
        scene.told(0);
        assert!(scene.watchers.checks(scene.at(1_000)).is_empty(), "nothing changed");
        scene.watchers.turn(bob);
        let checks = scene.watchers.checks(scene.at(1_000));
        assert_eq!(checks.len(), 1);
        scene.watchers.checked(&checks[0], &seen(scene.viewer, &[carol]), scene.at(1_000));
        assert_eq!(scene.told(1_000), [(bob, None)]);
        assert_eq!(scene.watchers.round(), [carol], "nobody asks for Bob any more");
        // What is not known any more is not told by accident.
        scene.learn(&[(bob, Some(0))], 2_000);
        assert_eq!(scene.told(2_000), []);
        scene.watchers.suspect(&[scene.viewer]);
        let checks = scene.watchers.checks(scene.at(3_000));
        scene.watchers.checked(&checks[0], &seen(scene.viewer, &[bob, carol]), scene.at(3_000));
        scene.learn(&[(bob, Some(1))], 3_000);
        assert_eq!(scene.told(3_000), [(bob, Some(true))]);
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_asked_again_now_and_then_and_what_failed_at_once() {
        let scene = Scene::of(&[user()]);
        let later = scene.now + PRESENCE_CHECK_EVERY;
        let checks = scene.watchers.checks(later);
        assert_eq!(checks.len(), 1);
        scene.watchers.unchecked(&checks);
        assert_eq!(scene.watchers.checks(scene.now).len(), 1);
        let checks = scene.watchers.checks(later);
        scene.watchers.checked(&checks[0], &[], later);
        assert!(scene.watchers.checks(later).is_empty());
        scene.watchers.suspect_all();
        assert_eq!(scene.watchers.checks(later).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_gone_leaves_nothing_behind() {
        let (bob, carol) = (user(), user());
        let scene = Scene::of(&[bob, carol]);
        scene.show(&[carol], &[]);
        assert!(scene.watchers.round().is_empty());
        assert_eq!(scene.watchers.look(scene.sid), [(carol, None)]);
        scene.show(&[bob, carol], &[bob]);
        scene.watchers.forget(scene.sid);
        let inner = scene.watchers.lock();
        assert!(inner.watches.is_empty() && inner.people.is_empty());
        assert_eq!(inner.pairs, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_watches_so_many_and_asks_for_so_many_at_a_time() {
        let watchers = Watchers::default();
        let now = Instant::now();
        let crowd: Vec<UserId> = (0..PRESENCE_WATCHED_MAX).map(|_| user()).collect();
        let sockets = PRESENCE_PAIRS_MAX / PRESENCE_WATCHED_MAX;
        for n in 0..=sockets {
            let fits = watchers.lock().set(Sid::new(), user(), crowd.clone(), &[], now);
            assert_eq!(fits, n < sockets);
        }
        let checks = watchers.checks(now + PRESENCE_CHECK_EVERY);
        assert_eq!(checks.iter().map(|check| check.asked.len()).sum::<usize>(), PRESENCE_CHECK_PAIRS);

        let watchers = Watchers::default();
        let all: HashSet<UserId> = (0..PRESENCE_ROUND_MAX + 100).map(|_| user()).collect();
        for chunk in all.iter().copied().collect::<Vec<_>>().chunks(PRESENCE_WATCHED_MAX) {
            let viewer = user();
            watchers.lock().set(Sid::new(), viewer, chunk.to_vec(), &seen(viewer, chunk), now);
        }
        let (first, second) = (watchers.round(), watchers.round());
        assert_eq!(first.len(), PRESENCE_ROUND_MAX);
        let reached: HashSet<UserId> = first.into_iter().chain(second).collect();
        assert_eq!(reached, all);
    }
}
