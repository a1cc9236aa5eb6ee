//! Who is there: sorted sets of members that vanish unless somebody vouches for them again. Knows no meaning of a member.
//!
//! The score is the moment an entry expires, by Redis's clock, so that nodes with wrong clocks agree. A member that left
//! is remembered for a moment: a late report of something it did before leaving does not bring it back.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::ConnectionManager;

use crate::client::{Live, LiveError};

/// Members moved by one script call: Redis does nothing else meanwhile.
const CHUNK: usize = 500;

/// KEYS: pairs of roster and its leavers. ARGV: life in ms, then triples of pair number, member, age of the report in ms.
const BEAT: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local life = tonumber(ARGV[1])
for i = 2, #ARGV, 3 do
  local pair, member, at = tonumber(ARGV[i]), ARGV[i + 1], now - tonumber(ARGV[i + 2])
  local left = redis.call('ZSCORE', KEYS[2 * pair], member)
  if (not left) or tonumber(left) <= at then
    redis.call('ZADD', KEYS[2 * pair - 1], 'GT', at + life, member)
  end
end
for k = 1, #KEYS, 2 do
  redis.call('ZREMRANGEBYSCORE', KEYS[k], '-inf', now)
  redis.call('PEXPIRE', KEYS[k], 60000)
end
";

/// KEYS: pairs of roster and its leavers. ARGV: how long they still count in ms, then pairs of pair number and member.
const LEAVE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local linger = tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local pair, member = tonumber(ARGV[i]), ARGV[i + 1]
  if linger > 0 then
    redis.call('ZADD', KEYS[2 * pair - 1], 'XX', 'LT', now + linger, member)
  else
    redis.call('ZREM', KEYS[2 * pair - 1], member)
  end
  redis.call('ZADD', KEYS[2 * pair], now, member)
end
for k = 2, #KEYS, 2 do
  redis.call('ZREMRANGEBYSCORE', KEYS[k], '-inf', now - 30000)
  redis.call('PEXPIRE', KEYS[k], 30000)
end
";

/// KEYS: rosters. Returns how many members of each are there now.
const COUNT: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local counts = {}
for k = 1, #KEYS do counts[k] = redis.call('ZCOUNT', KEYS[k], '(' .. now, '+inf') end
return counts
";

/// KEYS: the mark of a kind. ARGV: its life in ms. The mark holds since when somebody vouches without a break.
const PULSE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], now, 'PX', ARGV[1])
end
";

/// KEYS: the mark of a kind. For how many ms somebody has been vouching without a break; -1: nobody does.
const VOUCHED_FOR: &str = r"
local since = redis.call('GET', KEYS[1])
if not since then return -1 end
local t = redis.call('TIME')
return t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(since)
";

/// One member of one roster, and how long ago it was seen.
pub(crate) struct Seen<'a> {
    pub roster: &'a str,
    pub member: &'a str,
    pub age: Duration,
}

/// Numbers the rosters of a chunk in order of appearance.
#[derive(Default)]
struct Pairs<'a> {
    numbers: HashMap<&'a str, usize>,
    order: Vec<&'a str>,
}

impl<'a> Pairs<'a> {
    fn number(&mut self, roster: &'a str) -> usize {
        *self.numbers.entry(roster).or_insert_with(|| {
            self.order.push(roster);
            self.order.len()
        })
    }

    fn keys(&self, live: &Live, kind: &str) -> Vec<String> {
        self.order
            .iter()
            .flat_map(|roster| [key_of(live, kind, roster), live.key(&format!("{kind}-left:{roster}"))])
            .collect()
    }
}

pub(crate) fn key_of(live: &Live, kind: &str, roster: &str) -> String {
    live.key(&format!("{kind}:{roster}"))
}

/// Vouches for members for `life` from when each was seen. An entry's life is never shortened.
pub(crate) async fn beat(
    live: &Live,
    connection: &mut ConnectionManager,
    kind: &str,
    seen: &[Seen<'_>],
    life: Duration,
) -> Result<(), LiveError> {
    let script = redis::Script::new(BEAT);
    for chunk in seen.chunks(CHUNK) {
        let mut call = script.prepare_invoke();
        call.arg(life.as_millis() as u64);
        let mut pairs = Pairs::default();
        for entry in chunk {
            call.arg(pairs.number(entry.roster)).arg(entry.member).arg(entry.age.as_millis() as u64);
        }
        for key in pairs.keys(live, kind) {
            call.key(key);
        }
        let () = call.invoke_async(connection).await?;
    }
    Ok(())
}

/// Takes members out, at once or after `linger`.
pub(crate) async fn leave(
    live: &Live,
    connection: &mut ConnectionManager,
    kind: &str,
    members: &[(&str, &str)],
    linger: Duration,
) -> Result<(), LiveError> {
    let script = redis::Script::new(LEAVE);
    for chunk in members.chunks(CHUNK) {
        let mut call = script.prepare_invoke();
        call.arg(linger.as_millis() as u64);
        let mut pairs = Pairs::default();
        for (roster, member) in chunk {
            call.arg(pairs.number(roster)).arg(*member);
        }
        for key in pairs.keys(live, kind) {
            call.key(key);
        }
        let () = call.invoke_async(connection).await?;
    }
    Ok(())
}

/// How many members each roster has now, in the order asked.
pub(crate) async fn count(
    live: &Live,
    connection: &mut ConnectionManager,
    kind: &str,
    rosters: &[&str],
) -> Result<Vec<u64>, LiveError> {
    let script = redis::Script::new(COUNT);
    let mut counts = Vec::with_capacity(rosters.len());
    for chunk in rosters.chunks(CHUNK) {
        let mut call = script.prepare_invoke();
        for roster in chunk {
            call.key(key_of(live, kind, roster));
        }
        let part: Vec<u64> = call.invoke_async(connection).await?;
        counts.extend(part);
    }
    Ok(counts)
}

fn mark_of(live: &Live, kind: &str) -> String {
    live.key(&format!("{kind}-vouched"))
}

/// Says that somebody vouches for members of this kind, whether or not there are any. Without another word this is forgotten after `life`.
pub(crate) async fn pulse(
    live: &Live,
    connection: &mut ConnectionManager,
    kind: &str,
    life: Duration,
) -> Result<(), LiveError> {
    let script = redis::Script::new(PULSE);
    let () = script.key(mark_of(live, kind)).arg(life.as_millis() as u64).invoke_async(connection).await?;
    Ok(())
}

/// For how long somebody has been vouching for members of this kind without a break. `None`: nobody does, or Redis has just lost everything;
/// that somebody is in no roster says nothing then.
pub(crate) async fn vouched_for(
    live: &Live,
    connection: &mut ConnectionManager,
    kind: &str,
) -> Result<Option<Duration>, LiveError> {
    let ms: i64 = redis::Script::new(VOUCHED_FOR).key(mark_of(live, kind)).invoke_async(connection).await?;
    Ok(u64::try_from(ms).ok().map(Duration::from_millis))
}
