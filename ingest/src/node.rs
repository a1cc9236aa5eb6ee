//! What all connections of one ingest node share: settings, desk, route, meters, and the limits of the listener.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kit::lanes::Lanes;
use metrics::{Counter, Gauge};
use tokio::time::Instant;

use crate::desk::Desk;
use crate::feed::Route;
use crate::scribe::Pen;

/// Lines per second about strangers. More is for whoever reads debug logs.
const LOG_LINES_PER_S: u64 = 20;

pub(crate) struct Node {
    pub(crate) config: Arc<kit::Config>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) route: Arc<Route>,
    pub(crate) meters: Meters,
    pub(crate) log_gate: LogGate,
    pub(crate) lanes: Lanes,
    pub(crate) pen: Pen,
}

/// The node's metrics. Handles are looked up once, not per message.
pub(crate) struct Meters {
    pub(crate) connections: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) bytes: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            connections: metrics::gauge!("rillcast_ingest_connections"),
            streams: metrics::gauge!("rillcast_ingest_streams"),
            bytes: metrics::counter!("rillcast_ingest_bytes_total"),
        }
    }

    /// Counts a refusal under its public code.
    pub(crate) fn refused(&self, code: &'static str) {
        metrics::counter!("rillcast_ingest_refused_total", "code" => code).increment(1);
    }
}

/// Lets a few lines through each second, so that a flood of connections is not a flood of log.
#[derive(Debug)]
pub(crate) struct LogGate {
    since: Instant,
    /// Second (upper half) and lines in it (lower half).
    state: AtomicU64,
}

impl LogGate {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), state: AtomicU64::new(0) }
    }

    pub(crate) fn admits(&self) -> bool {
        let second = self.since.elapsed().as_secs() << 32;
        let admitted = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            if state >> 32 != second >> 32 {
                return Some(second | 1);
            }
            (state & u64::from(u32::MAX) < LOG_LINES_PER_S).then_some(state + 1)
        });
        admitted.is_ok()
    }
}

/// How many connections there are, in all and by address.
#[derive(Debug)]
pub(crate) struct Doors {
    max: usize,
    per_ip_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

impl Doors {
    pub(crate) fn new(max: usize, per_ip_max: usize) -> Arc<Self> {
        Arc::new(Self { max, per_ip_max, open: Mutex::default() })
    }

    /// Lets a connection in, until the pass is dropped.
    pub(crate) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Pass> {
        let ip = ip.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_ip = open.by_ip.get(&ip).copied().unwrap_or(0);
        if open.all >= self.max || of_ip >= self.per_ip_max {
            return None;
        }
        open.all += 1;
        open.by_ip.insert(ip, of_ip + 1);
        Some(Pass { doors: Arc::clone(self), ip })
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Pass {
    doors: Arc<Doors>,
    ip: IpAddr,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(of_ip) = open.by_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                open.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_close_at_both_limits_and_open_when_somebody_leaves() {
        let doors = Doors::new(3, 2);
        let [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| ip.parse::<IpAddr>().expect("an address"));
        let first = doors.enter(a).expect("room");
        let _second = doors.enter(a).expect("room");
        assert!(doors.enter(a).is_none(), "two of one address");
        let _third = doors.enter(b).expect("room");
        assert!(doors.enter(c).is_none(), "three in all");
        drop(first);
        assert!(doors.enter(c).is_some());
        assert_eq!(doors.open.lock().expect("not poisoned").by_ip.len(), 2, "no address without a connection is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_gate_lets_a_few_lines_through_each_second() {
        let gate = LogGate::new();
        assert_eq!((0..100).filter(|_| gate.admits()).count() as u64, LOG_LINES_PER_S);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert!(gate.admits());
    }
}
