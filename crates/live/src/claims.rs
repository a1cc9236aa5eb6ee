//! Who was first: a name taken for a while, on all nodes at once.
//!
//! While Redis is away each process keeps its own claims. That is a looser rule on a site of many nodes, never none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::client::Live;

/// Most claims the fallback remembers. Beyond them the oldest to end are still held, and new ones are granted unseen.
const LOCAL_CLAIMS_MAX: usize = 50_000;

/// KEYS[1]: claim. ARGV: who claims, milliseconds. Returns {is_held_by_other, milliseconds left}.
const CLAIM: &str = r"
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {0, 0} end
if redis.call('GET', KEYS[1]) == ARGV[1] then return {0, 0} end
return {1, redis.call('PTTL', KEYS[1])}
";

/// KEYS[1]: claim. ARGV: who claimed.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
";

/// Takes names. Cheap to clone.
#[derive(Clone)]
pub struct Claims {
    live: Live,
    breaker: Arc<Breaker>,
    local: Arc<Mutex<HashMap<String, (String, Instant)>>>,
}

impl Claims {
    pub fn new(live: Live) -> Self {
        Self { live, breaker: Arc::default(), local: Arc::default() }
    }

    /// Takes `name` for `by`. Claiming again what one holds changes nothing. An error says how long another holds it.
    pub async fn claim(&self, name: &str, by: &str, lasts: Duration) -> Result<(), Duration> {
        let key = self.live.key(&format!("claim:{name}"));
        let ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1);
        let answer = self
            .breaker
            .run(&self.live, |mut connection| async move {
                let script = redis::Script::new(CLAIM);
                let mut call = script.key(key);
                call.arg(by).arg(ms);
                let answer: (u8, i64) = call.invoke_async(&mut connection).await?;
                Ok(answer)
            })
            .await;
        match answer {
            Some((0, _)) => Ok(()),
            Some((_, left)) => Err(Duration::from_millis(u64::try_from(left).unwrap_or(0))),
            None => self.claim_here(name, by, lasts, Instant::now()),
        }
    }

    /// Gives a name back, if `by` holds it.
    pub async fn release(&self, name: &str, by: &str) {
        let key = self.live.key(&format!("claim:{name}"));
        let done = self
            .breaker
            .run(&self.live, |mut connection| async move {
                let _none: i64 = redis::Script::new(RELEASE).key(key).arg(by).invoke_async(&mut connection).await?;
                Ok(())
            })
            .await;
        if done.is_none() {
            let mut local = self.local.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if local.get(name).is_some_and(|(holder, _)| holder == by) {
                local.remove(name);
            }
        }
    }

    fn claim_here(&self, name: &str, by: &str, lasts: Duration, now: Instant) -> Result<(), Duration> {
        let mut local = self.local.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((holder, until)) = local.get(name)
            && *until > now
        {
            return if holder == by { Ok(()) } else { Err(*until - now) };
        }
        if local.len() >= LOCAL_CLAIMS_MAX {
            local.retain(|_, (_, until)| *until > now);
        }
        if local.len() < LOCAL_CLAIMS_MAX {
            local.insert(name.to_owned(), (by.to_owned(), now + lasts));
        }
        Ok(())
    }
}
