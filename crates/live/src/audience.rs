//! Whom a stream reaches: who looks at it through which way, how many sockets are open, what is said a minute, and which node
//! writes that down.
//!
//! Unique viewers of a whole stream are HyperLogLogs (within about one in a hundred): nobody can read a viewer back out of them.
//! A stream keeps one for all, one for each way in, and one for each host that embeds it or links to it, [`HOSTS_SEEN_MAX`] at
//! most; whoever comes from others is counted among them. All of it goes [`KEPT_S`] after the stream was last looked at. While
//! Redis is away nothing is counted.

use std::sync::Arc;

use domain::StreamId;
use domain::user::Username;
use redis::Pipeline;

use crate::breaker::Breaker;
use crate::client::{Live, LiveError};
use crate::viewers;

/// Hosts of one stream that are told apart. Anybody may name a host, so their number has an end.
pub const HOSTS_SEEN_MAX: usize = 200;
/// Hosts an audience names; those with fewer viewers are added up.
pub const HOSTS_MAX: usize = 50;
/// In place of a host: one of many that are not told apart.
pub const OTHER_HOSTS: &str = "*";
/// Longest name of a host, in bytes (RFC 1035 2.3.4).
pub const HOST_BYTES_MAX: usize = 253;
/// Two days: Postgres may be away for a while after a stream's end.
const KEPT_S: u64 = 2 * 86_400;
/// What a node said of its sockets holds for this long; it says it anew every 15 s.
const SEATS_S: u64 = 40;
/// A node that said nothing for an hour is forgotten; so many are asked for.
const NODE_S: u64 = 3_600;
const NODES_MAX: isize = 500;
/// Lines of a minute wait this long to be written down.
const LINES_S: u64 = 1_200;
/// Members one script call moves for each channel, and channels in one call: Redis does nothing else meanwhile.
const MEMBERS: usize = 500;
const CHANNELS: usize = 10;
/// Viewers of one channel that are looked at. Those beyond are in the count of now and not in the audience.
const LOOKED_AT_MAX: usize = 200_000;

/// KEYS: what is taken. ARGV: who, seconds of a slot, milliseconds it may take. Returns the slot's beginning, or -1 when another has it.
const TURN: &str = r"
local t = redis.call('TIME')
local slot = t[1] - t[1] % tonumber(ARGV[2])
local held = redis.call('HMGET', KEYS[1], 'slot', 'until')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if held[1] == tostring(slot) and tonumber(held[2]) > now then return -1 end
redis.call('HSET', KEYS[1], 'slot', slot, 'until', now + tonumber(ARGV[3]), 'by', ARGV[1])
redis.call('EXPIRE', KEYS[1], 600)
return slot
";

/// KEYS: what was taken. ARGV: who, slot, milliseconds from now until which nobody else may take it: 0 gives it back.
const SETTLE: &str = r"
local held = redis.call('HMGET', KEYS[1], 'slot', 'by')
if held[1] ~= ARGV[2] or held[2] ~= ARGV[1] then return 0 end
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'until', t[1] * 1000 + tonumber(ARGV[3]))
return 1
";

/// KEYS: viewers of a way in, hosts, viewers of this host, viewers of other hosts. ARGV: host, most hosts, seconds, then viewers.
const NOTE: &str = r"
local ids = {unpack(ARGV, 4)}
redis.call('PFADD', KEYS[1], unpack(ids))
redis.call('EXPIRE', KEYS[1], ARGV[3])
if ARGV[1] == '' then return 0 end
local into = KEYS[3]
if ARGV[1] == '*' then into = KEYS[4]
elseif redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 0 then
  if redis.call('SCARD', KEYS[2]) >= tonumber(ARGV[2]) then into = KEYS[4]
  else redis.call('SADD', KEYS[2], ARGV[1]) end
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PFADD', into, unpack(ids))
redis.call('EXPIRE', into, ARGV[3])
return 1
";

/// KEYS: pairs of a channel's viewers of now and its stream's of all time. ARGV: offset, most members, seconds.
/// Returns how many members of each were taken.
const GATHER: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local taken = {}
for k = 1, #KEYS, 2 do
  local ids = redis.call('ZRANGEBYSCORE', KEYS[k], '(' .. now, '+inf', 'LIMIT', ARGV[1], ARGV[2])
  if #ids > 0 then
    redis.call('PFADD', KEYS[k + 1], unpack(ids))
    redis.call('EXPIRE', KEYS[k + 1], ARGV[3])
  end
  taken[#taken + 1] = #ids
end
return taken
";

/// How somebody came to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// A page of this site.
    Page,
    /// The player in somebody else's page.
    Embed,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Embed => "embed",
        }
    }
}

/// Whether a text can be a host's name: lower-case letters, digits, dots and hyphens, [`HOST_BYTES_MAX`] at most.
pub fn is_host(text: &str) -> bool {
    (1..=HOST_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// What one node has of a channel: open sockets, and viewers behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seats {
    pub sockets: u64,
    pub viewers: u64,
}

/// Whom a stream has reached so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    pub viewers: u64,
    pub pages: u64,
    pub embeds: u64,
    /// Those who only read playlists.
    pub players: u64,
    /// Hosts and how many came from each, most first, [`HOSTS_MAX`] at most.
    pub hosts: Vec<(String, u64)>,
    /// From hosts beyond them.
    pub others: u64,
}

/// One node's part in the counting. Cheap to clone.
#[derive(Clone)]
pub struct Audience {
    live: Live,
    breaker: Arc<Breaker>,
    node: Arc<str>,
}

impl Audience {
    pub fn new(live: Live, node: &str) -> Self {
        Self { live, breaker: Arc::default(), node: node.into() }
    }

    /// Takes this slot of `slot_s` seconds for `takes_ms`, by Redis's clock. The slot's beginning in seconds since 1970; `None`:
    /// another node has it, or Redis is away.
    pub async fn turn(&self, name: &str, slot_s: u32, takes_ms: u32) -> Option<i64> {
        let key = self.turn_key(name);
        let slot: i64 = self
            .breaker
            .run(&self.live, |mut connection| async move {
                let script = redis::Script::new(TURN);
                let mut call = script.key(key);
                call.arg(&*self.node).arg(slot_s).arg(takes_ms);
                Ok(call.invoke_async(&mut connection).await?)
            })
            .await?;
        (slot >= 0).then_some(slot)
    }

    /// Says that the slot's work is done, or that somebody else may do it.
    pub async fn settle(&self, name: &str, slot: i64, is_done: bool) {
        let key = self.turn_key(name);
        let until_ms = if is_done { 600_000 } else { 0 };
        let _known: Option<i64> = self
            .breaker
            .run(&self.live, |mut connection| async move {
                let script = redis::Script::new(SETTLE);
                let mut call = script.key(key);
                call.arg(&*self.node).arg(slot).arg(until_ms);
                Ok(call.invoke_async(&mut connection).await?)
            })
            .await;
    }

    /// Says what this node has of each channel, in place of what it said before. False: Redis is away.
    pub async fn report(&self, rooms: &[(Username, Seats)]) -> bool {
        let key = self.live.key(&format!("seats:{}", self.node));
        let nodes = self.live.key("seats-nodes");
        let mut pipe = redis::pipe();
        pipe.atomic().del(&key).ignore();
        for (name, seats) in rooms {
            pipe.hset(&key, name.as_str(), format!("{} {}", seats.sockets, seats.viewers)).ignore();
        }
        pipe.expire(&key, SEATS_S as i64).ignore();
        let now_s = kit::clock::unix_seconds();
        pipe.zadd(&nodes, &*self.node, now_s).ignore();
        pipe.zrembyscore(&nodes, 0, now_s.saturating_sub(NODE_S)).ignore();
        pipe.expire(&nodes, NODE_S as i64).ignore();
        self.run(pipe).await.is_some()
    }

    /// What all nodes together have of each of these channels, in the order asked. `None`: Redis is away.
    pub async fn seats(&self, names: &[Username]) -> Option<Vec<Seats>> {
        if names.is_empty() {
            return Some(Vec::new());
        }
        let fields: Vec<&str> = names.iter().map(Username::as_str).collect();
        self.breaker
            .run(&self.live, |mut connection| async move {
                let mut ask = redis::cmd("ZREVRANGE");
                ask.arg(self.live.key("seats-nodes")).arg(0).arg(NODES_MAX - 1);
                let nodes: Vec<String> = ask.query_async(&mut connection).await?;
                let mut sums = vec![Seats::default(); fields.len()];
                for node in nodes {
                    let key = self.live.key(&format!("seats:{node}"));
                    let said: Vec<Option<String>> =
                        redis::cmd("HMGET").arg(key).arg(&fields).query_async(&mut connection).await?;
                    for (sum, said) in sums.iter_mut().zip(said) {
                        let (sockets, viewers) = said
                            .as_deref()
                            .and_then(|said| said.split_once(' '))
                            .and_then(|(sockets, viewers)| Some((sockets.parse().ok()?, viewers.parse().ok()?)))
                            .unwrap_or((0, 0));
                        sum.sockets += sockets;
                        sum.viewers += viewers;
                    }
                }
                Ok(sums)
            })
            .await
    }

    /// Notes viewers that came one way, and from which host if that is known. False: Redis is away.
    pub async fn note(&self, stream: StreamId, way: Way, host: Option<&str>, viewers: &[Arc<str>]) -> bool {
        let host = host.unwrap_or_default();
        for chunk in viewers.chunks(MEMBERS) {
            let noted: Option<i64> = self
                .breaker
                .run(&self.live, |mut connection| async move {
                    let script = redis::Script::new(NOTE);
                    let mut call = script.key(self.reach_key(stream, way.as_str()));
                    call.key(self.reach_key(stream, "hosts"));
                    call.key(self.host_key(stream, host)).key(self.reach_key(stream, "others"));
                    call.arg(host).arg(HOSTS_SEEN_MAX).arg(KEPT_S);
                    for viewer in chunk {
                        call.arg(&**viewer);
                    }
                    Ok(call.invoke_async(&mut connection).await?)
                })
                .await;
            if noted.is_none() {
                return false;
            }
        }
        true
    }

    /// Takes everybody who watches these channels now into their streams' audiences, those who only read playlists too.
    /// False: Redis is away.
    pub async fn gather(&self, streams: &[(StreamId, Username)]) -> bool {
        for chunk in streams.chunks(CHANNELS) {
            let mut open: Vec<&(StreamId, Username)> = chunk.iter().collect();
            let mut offset = 0;
            while !open.is_empty() && offset < LOOKED_AT_MAX {
                let asked = &open;
                let taken: Option<Vec<usize>> = self
                    .breaker
                    .run(&self.live, |mut connection| async move {
                        let script = redis::Script::new(GATHER);
                        let mut call = script.prepare_invoke();
                        for (stream, name) in asked {
                            call.key(viewers::roster_key(&self.live, name)).key(self.reach_key(*stream, "all"));
                        }
                        call.arg(offset).arg(MEMBERS).arg(KEPT_S);
                        Ok(call.invoke_async(&mut connection).await?)
                    })
                    .await;
                let Some(taken) = taken else { return false };
                let mut left = taken.into_iter();
                open.retain(|_| left.next() == Some(MEMBERS));
                offset += MEMBERS;
            }
        }
        true
    }

    /// Whom a stream has reached. Nothing known of it is `Some(None)`; `None`: Redis is away.
    pub async fn reach(&self, stream: StreamId) -> Option<Option<Reach>> {
        self.breaker.run(&self.live, |mut connection| async move { self.reach_of(&mut connection, stream).await }).await
    }

    async fn reach_of(
        &self,
        connection: &mut redis::aio::ConnectionManager,
        stream: StreamId,
    ) -> Result<Option<Reach>, LiveError> {
        let [all, page, embed] = ["all", "page", "embed"].map(|what| self.reach_key(stream, what));
        let others = self.reach_key(stream, "others");
        let mut pipe = redis::pipe();
        pipe.cmd("PFCOUNT").arg(&[&all, &page, &embed]);
        pipe.cmd("PFCOUNT").arg(&page);
        pipe.cmd("PFCOUNT").arg(&embed);
        pipe.cmd("PFCOUNT").arg(&[&page, &embed]);
        pipe.cmd("SMEMBERS").arg(self.reach_key(stream, "hosts"));
        let (viewers, pages, embeds, browsers, names): (u64, u64, u64, u64, Vec<String>) =
            pipe.query_async(connection).await?;
        if viewers == 0 {
            return Ok(None);
        }
        // A pipe without a command is an error.
        let mut counts: Vec<u64> = Vec::new();
        if !names.is_empty() {
            let mut pipe = redis::pipe();
            for name in &names {
                pipe.cmd("PFCOUNT").arg(self.host_key(stream, name));
            }
            counts = pipe.query_async(connection).await?;
        }
        let mut hosts: Vec<(String, u64)> = names.into_iter().zip(counts).collect();
        hosts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest = hosts.split_off(hosts.len().min(HOSTS_MAX));
        let rest: Vec<String> =
            rest.iter().map(|(name, _)| self.host_key(stream, name)).chain(std::iter::once(others)).collect();
        let others: u64 = redis::cmd("PFCOUNT").arg(&rest).query_async(connection).await?;
        Ok(Some(Reach { viewers, pages, embeds, players: viewers.saturating_sub(browsers), hosts, others }))
    }

    /// Forgets a stream's audience: it is written down. What is left of it goes by itself.
    pub async fn forget(&self, stream: StreamId, hosts: &[String]) {
        let mut pipe = redis::pipe();
        for what in ["all", "page", "embed", "hosts", "others"] {
            pipe.del(self.reach_key(stream, what)).ignore();
        }
        for host in hosts {
            pipe.del(self.host_key(stream, host)).ignore();
        }
        let _gone = self.run(pipe).await;
    }

    /// Adds lines said in the chat of streams, by minute (seconds since 1970). False: Redis is away, and nothing was added.
    pub async fn said(&self, lines: &[(i64, StreamId, u32)]) -> bool {
        if lines.is_empty() {
            return true;
        }
        let mut pipe = redis::pipe();
        pipe.atomic();
        for (minute, stream, count) in lines {
            let key = self.lines_key(*minute);
            pipe.hincr(&key, stream.to_string(), *count).ignore();
            pipe.expire(&key, LINES_S as i64).ignore();
        }
        self.run(pipe).await.is_some()
    }

    /// Lines said in one minute, by stream. `None`: Redis is away.
    pub async fn lines(&self, minute: i64) -> Option<Vec<(StreamId, i64)>> {
        let key = self.lines_key(minute);
        let said: Vec<(String, i64)> = self
            .breaker
            .run(&self.live, |mut connection| async move {
                Ok(redis::cmd("HGETALL").arg(key).query_async(&mut connection).await?)
            })
            .await?;
        Some(said.into_iter().filter_map(|(stream, count)| Some((stream.parse().ok()?, count))).collect())
    }

    async fn run(&self, pipe: Pipeline) -> Option<()> {
        self.breaker
            .run(&self.live, |mut connection| async move { Ok(pipe.query_async::<()>(&mut connection).await?) })
            .await
    }

    fn turn_key(&self, name: &str) -> String {
        self.live.key(&format!("turn:{name}"))
    }

    fn lines_key(&self, minute: i64) -> String {
        self.live.key(&format!("lines:{minute}"))
    }

    fn reach_key(&self, stream: StreamId, what: &str) -> String {
        self.live.key(&format!("reach:{stream}:{what}"))
    }

    fn host_key(&self, stream: StreamId, host: &str) -> String {
        self.live.key(&format!("reach:{stream}:host:{host}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_nothing_else() {
        assert!(is_host("blog.example"));
        assert!(is_host("127.0.0.1"));
        for bad in ["", "Blog.example", "a/b", "a:80", "=cmd", "...", "a b", "x".repeat(HOST_BYTES_MAX + 1).as_str()] {
            assert!(!is_host(bad), "{bad:?}");
        }
    }
}
