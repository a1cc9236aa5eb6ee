//! How often something may be done: the generic cell rate algorithm in one Redis script, with Redis's clock.
//!
//! While Redis is away each process counts for itself. That is a looser limit on a site of many nodes, never none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::client::Live;

/// Most keys the fallback remembers. Beyond them strangers share one bucket: crowding the table opens nothing.
const LOCAL_KEYS_MAX: usize = 50_000;
const SHARED_BUCKET: &str = "";
/// A refusal is repeated from memory for at most this long, so that a flood does not become one of Redis.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// KEYS[1]: bucket. ARGV: microseconds per event, burst window in microseconds, cost (0 only looks).
/// Returns {is_allowed, remaining, retry_after_us, reset_after_us}.
const GCRA: &str = r"
local now = redis.call('TIME')
local t = now[1] * 1000000 + now[2]
local step, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or t), t)
local next_tat = tat + step * math.max(cost, 1)
local early = next_tat - window - t
if early > 0 then return {0, 0, early, tat - t} end
if cost == 0 then return {1, math.floor((window - (tat - t)) / step), 0, tat - t} end
redis.call('SET', KEYS[1], string.format('%.0f', next_tat), 'PX', math.ceil((next_tat - t) / 1000) + 1)
return {1, math.floor((window - (next_tat - t)) / step), 0, next_tat - t}
";

/// `events` per `per`, all of which may come at once. Zero counts as one: a limit is never absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub events: u32,
    pub per: Duration,
}

impl Quota {
    pub const fn new(events: u32, per: Duration) -> Self {
        Self { events: if events == 0 { 1 } else { events }, per }
    }

    fn step_us(self) -> u64 {
        (u64::try_from(self.per.as_micros()).unwrap_or(u64::MAX) / u64::from(self.events)).max(1)
    }

    fn window_us(self) -> u64 {
        self.step_us().saturating_mul(u64::from(self.events))
    }
}

/// The answer to one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub is_allowed: bool,
    pub quota: Quota,
    /// Events that would be allowed right now.
    pub remaining: u32,
    /// Zero when allowed.
    pub retry_after: Duration,
    /// Until the whole quota is there again.
    pub reset_after: Duration,
}

/// Counts events by bucket. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    live: Live,
    breaker: Arc<Breaker>,
    script: Arc<redis::Script>,
    local: Arc<Mutex<Local>>,
    refusals: Arc<Refusals>,
}

impl Limits {
    pub fn new(live: Live) -> Self {
        Self {
            live,
            refusals: Arc::new(Refusals::new()),
            breaker: Arc::default(),
            script: Arc::new(redis::Script::new(GCRA)),
            local: Arc::new(Mutex::new(Local::new(Instant::now()))),
        }
    }

    /// Counts one event against `bucket`, such as `login:203.0.113.5`. A refused event is not counted.
    pub async fn hit(&self, bucket: &str, quota: Quota) -> Verdict {
        self.ask(bucket, quota, 1).await
    }

    /// Whether an event would be allowed, without counting one.
    pub async fn look(&self, bucket: &str, quota: Quota) -> Verdict {
        self.ask(bucket, quota, 0).await
    }

    async fn ask(&self, bucket: &str, quota: Quota, cost: u32) -> Verdict {
        if let Some(refusal) = self.refusals.repeat(bucket, quota, Instant::now()) {
            return refusal;
        }
        let verdict = self.ask_redis(bucket, quota, cost).await;
        if !verdict.is_allowed {
            self.refusals.note(bucket, verdict, Instant::now());
        }
        verdict
    }

    async fn ask_redis(&self, bucket: &str, quota: Quota, cost: u32) -> Verdict {
        let key = self.live.key(&format!("limit:{bucket}"));
        let answer = self
            .breaker
            .run(&self.live, |mut connection| async move {
                let mut call = self.script.key(key);
                call.arg(quota.step_us()).arg(quota.window_us()).arg(cost);
                let answer: (u8, i64, i64, i64) = call.invoke_async(&mut connection).await?;
                Ok(answer)
            })
            .await;
        match answer {
            Some((allowed, remaining, retry_us, reset_us)) => Verdict {
                is_allowed: allowed == 1,
                quota,
                remaining: u32::try_from(remaining).unwrap_or(0),
                retry_after: Duration::from_micros(u64::try_from(retry_us).unwrap_or(0)),
                reset_after: Duration::from_micros(u64::try_from(reset_us).unwrap_or(0)),
            },
            None => {
                let mut local = self.local.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                local.ask(bucket, quota, cost, Instant::now())
            }
        }
    }
}

/// What was refused lately, and when. Until its time is over nothing else can have become of it: refused events are not counted.
struct Refusals(Cache<String, (Instant, Verdict)>);

impl Refusals {
    fn new() -> Self {
        Self(Cache::builder().max_capacity(LOCAL_KEYS_MAX as u64).time_to_live(REFUSED_FOR).build())
    }

    fn repeat(&self, bucket: &str, quota: Quota, now: Instant) -> Option<Verdict> {
        let (at, verdict) = self.0.get(bucket)?;
        let passed = now.saturating_duration_since(at);
        let is_over = passed >= verdict.retry_after.min(REFUSED_FOR);
        (verdict.quota == quota && !is_over).then(|| Verdict {
            retry_after: verdict.retry_after.saturating_sub(passed),
            reset_after: verdict.reset_after.saturating_sub(passed),
            ..verdict
        })
    }

    fn note(&self, bucket: &str, verdict: Verdict, now: Instant) {
        self.0.insert(bucket.to_owned(), (now, verdict));
    }
}

/// The same algorithm in this process's memory.
struct Local {
    origin: Instant,
    /// Theoretical arrival times, in microseconds since `origin`.
    arrivals: HashMap<String, u64>,
}

impl Local {
    fn new(origin: Instant) -> Self {
        Self { origin, arrivals: HashMap::new() }
    }

    fn ask(&mut self, bucket: &str, quota: Quota, cost: u32, now: Instant) -> Verdict {
        let t = u64::try_from(now.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX);
        let bucket = self.place(bucket, t);
        let (step, window) = (quota.step_us(), quota.window_us());
        let tat = self.arrivals.get(bucket).copied().unwrap_or(t).max(t);
        let next_tat = tat.saturating_add(step);
        let verdict = |is_allowed, tat: u64, retry_us| Verdict {
            is_allowed,
            quota,
            remaining: u32::try_from(window.saturating_sub(tat - t) / step).unwrap_or(u32::MAX),
            retry_after: Duration::from_micros(retry_us),
            reset_after: Duration::from_micros(tat - t),
        };
        let early = next_tat.saturating_sub(t).saturating_sub(window);
        if early > 0 {
            return Verdict { remaining: 0, ..verdict(false, tat, early) };
        }
        if cost == 0 {
            return verdict(true, tat, 0);
        }
        self.arrivals.insert(bucket.to_owned(), next_tat);
        verdict(true, next_tat, 0)
    }

    /// The bucket's own entry, or the shared one when the table is full of others.
    fn place<'a>(&mut self, bucket: &'a str, t: u64) -> &'a str {
        if self.arrivals.contains_key(bucket) || self.arrivals.len() < LOCAL_KEYS_MAX {
            return bucket;
        }
        self.arrivals.retain(|_, tat| *tat > t);
        if self.arrivals.len() < LOCAL_KEYS_MAX { bucket } else { SHARED_BUCKET }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota::new(3, Duration::from_secs(30));

    #[test]
    fn a_refusal_is_repeated_until_it_may_be_over_and_for_a_second_at_most() {
        let (quota, now) = (Quota::new(5, Duration::from_secs(3)), Instant::now());
        let refused = |retry_after| Verdict {
            is_allowed: false,
            quota,
            remaining: 0,
            retry_after,
            reset_after: Duration::from_secs(3),
        };
        let refusals = Refusals::new();
        refusals.note("short", refused(Duration::from_millis(400)), now);
        refusals.note("long", refused(Duration::from_secs(60)), now);
        let after = |bucket, millis| refusals.repeat(bucket, quota, now + Duration::from_millis(millis));
        assert_eq!(after("short", 100).unwrap().retry_after, Duration::from_millis(300));
        assert_eq!(after("short", 400), None, "it may go now");
        assert_eq!(after("long", 900).unwrap().retry_after, Duration::from_millis(59_100));
        assert_eq!(after("long", 1_000), None, "ask again: somebody may have lifted it");
        assert_eq!(after("other", 0), None);
        assert_eq!(refusals.repeat("long", Quota::new(6, Duration::from_secs(3)), now), None);
    }

    #[test]
    fn a_burst_is_allowed_then_one_per_step() {
        let start = Instant::now();
        let mut local = Local::new(start);
        let verdicts: Vec<_> = (0..4).map(|_| local.ask("a", QUOTA, 1, start)).collect();
        assert_eq!(verdicts.iter().map(|v| v.is_allowed).collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(verdicts.iter().map(|v| v.remaining).collect::<Vec<_>>(), [2, 1, 0, 0]);
        assert_eq!(verdicts[3].retry_after, Duration::from_secs(10));
        assert!(local.ask("b", QUOTA, 1, start).is_allowed, "another bucket is not touched");
        let later = start + Duration::from_secs(10);
        assert!(local.ask("a", QUOTA, 1, later).is_allowed);
        assert!(!local.ask("a", QUOTA, 1, later).is_allowed);
    }

    #[test]
    fn looking_costs_nothing() {
        let start = Instant::now();
        let mut local = Local::new(start);
        assert!((0..10).all(|_| local.ask("a", QUOTA, 0, start).is_allowed));
        for _ in 0..3 {
            local.ask("a", QUOTA, 1, start);
        }
        assert!(!local.ask("a", QUOTA, 0, start).is_allowed);
    }

    #[test]
    fn a_crowd_of_strangers_does_not_open_the_limit() {
        let start = Instant::now();
        let mut local = Local::new(start);
        for n in 0..LOCAL_KEYS_MAX {
            local.ask(&n.to_string(), QUOTA, 1, start);
        }
        let allowed = (0..100).filter(|n| local.ask(&format!("late{n}"), QUOTA, 1, start).is_allowed).count();
        assert_eq!(allowed, 3, "latecomers share one bucket");
        assert!(local.arrivals.len() <= LOCAL_KEYS_MAX + 1);
    }
}
