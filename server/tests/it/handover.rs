//! An edge: a node without the stream, between many viewers and the node that owns it, which dies.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use kit::config::StorageConfig;
use testkit::s3::S3Server;
use testkit::services;
use testkit::stack::{Ffmpeg, Plan, Process};
use testkit::viewer::{PartName, Seen, Viewer};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::EXE;

const VIEWERS: usize = 50;
/// Between the death of an owner and a viewer's first part of the next.
const HANDOVER_MAX: Duration = Duration::from_secs(5);
/// A node that takes a stream over begins far behind the numbers that may have been used.
const FAR: u64 = 1_000;

/// The nodes of one site.
struct Cluster<'a> {
    database_url: &'a str,
    prefix: String,
    data: &'a Path,
    storage: StorageConfig,
}

impl Cluster<'_> {
    async fn node(&self, name: &str, roles: &str) -> Process {
        let variables = [
            ("DATA_DIR", self.data.join(name).display().to_string()),
            ("HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("INGEST__LISTEN", "127.0.0.1:0".to_owned()),
            ("AUTH__SECRET", "one secret for all nodes of this site".to_owned()),
            ("DATABASE__URL", self.database_url.to_owned()),
            ("REDIS__URL", services::redis_url()),
            ("REDIS__PREFIX", self.prefix.clone()),
            ("STORAGE__ENDPOINT", self.storage.endpoint.clone()),
            ("STORAGE__BUCKET", self.storage.bucket.clone()),
            ("STORAGE__ACCESS_KEY", self.storage.access_key.expose().to_owned()),
            ("STORAGE__SECRET_KEY", self.storage.secret_key.expose().to_owned()),
            ("TRANSCODER__LADDER", "none".to_owned()),
        ]
        .map(|(key, value)| (format!("RILLCAST__{key}"), value));
        let arguments = ["serve", "--roles", roles].map(str::to_owned);
        Process::start(EXE.as_ref(), &arguments, &variables).await.expect(name)
    }
}

/// What an owner was asked for, by its own count.
async fn asked(owner: &Viewer, kind: &str) -> u64 {
    let (_, text) = owner.text("/metrics").await.expect("its metrics");
    let counts = text.lines().filter(|line| {
        line.starts_with("rillcast_origin_requests_total") && line.contains(&format!("kind=\"{kind}\""))
    });
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// One viewer's way through the death of an owner.
struct Way {
    seen: Seen,
    /// When the first part of the next owner was there.
    over_at: Option<Instant>,
}

/// Watches until `last` is over.
async fn watch(viewer: Viewer, path: String, last: Instant) -> Way {
    let mut watch = viewer.begin(&path);
    let mut over_at = None;
    while Instant::now() < last {
        watch.step().await.expect("it can be followed");
        let mut msns = watch.seen.parts.keys().map(|name| name.msn);
        let (first, newest) = (msns.next().unwrap_or(0), msns.next_back().unwrap_or(0));
        if newest > first + FAR {
            over_at.get_or_insert_with(Instant::now);
        }
    }
    Way { seen: watch.seen, over_at }
}

fn union<'a>(ways: impl IntoIterator<Item = &'a Way>) -> BTreeSet<PartName> {
    ways.into_iter().flat_map(|way| way.seen.parts.keys().copied()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_viewers_of_an_edge_cost_their_owner_one_and_follow_the_stream_to_the_next() {
    let (s3, data) = (S3Server::start().await.unwrap(), tempfile::tempdir().unwrap());
    let (database_url, _guard) = services::database().await;
    let prefix = services::redis_prefix();
    let site = Cluster { database_url: &database_url, prefix, data: data.path(), storage: s3.config() };
    let mut first = site.node("first", "transcoder").await;
    let ingest = site.node("ingest", "ingest").await;
    let stack = Plan::around(site.node("edge", "api").await, ingest.rtmp.clone());
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 120.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;
    let second = site.node("second", "transcoder").await;

    let edge = Viewer::new(stack.http());
    let path = edge.rendition("alice", "source", Duration::from_secs(10)).await.expect("it appears");
    let began = Instant::now();
    let last = began + Duration::from_secs(16);
    let mut crowd = JoinSet::new();
    for _viewer in 0..VIEWERS {
        crowd.spawn(watch(edge.clone(), path.clone(), last));
    }
    tokio::time::sleep_until(began + Duration::from_secs(6)).await;
    let counted = Viewer::new(&first.http);
    let (parts, playlists) = (asked(&counted, "part").await, asked(&counted, "playlist").await);
    first.kill().await;
    let died = Instant::now();
    let ways = crowd.join_all().await;

    let mut waits: Vec<Duration> = Vec::new();
    for way in &ways {
        assert!(way.seen.violations.is_empty(), "{:#?}", way.seen.violations);
        // What the dead owner announced in its last moment it may have kept to itself.
        assert!(way.seen.lost.len() <= 2, "{:?}", way.seen.lost);
        assert_eq!(way.seen.discontinuities.len(), 1);
        waits.push(way.over_at.expect("a part of the next owner").saturating_duration_since(died));
    }
    waits.sort_unstable();
    let (all, far) = (union(&ways), ways[0].seen.parts.keys().map(|name| name.msn).min().unwrap_or(0) + FAR);
    let (before, after): (Vec<_>, Vec<_>) = all.into_iter().partition(|name| name.msn < far);
    let again = asked(&Viewer::new(&second.http), "part").await;
    println!(
        "measured: {VIEWERS} viewers; first owner asked for {parts} parts and {playlists} playlists before it was killed, \
         {} parts seen of it; the next for {again} parts of {}; first part of the next owner after {:?} (median), {:?} (last)",
        before.len(),
        after.len(),
        waits[VIEWERS / 2],
        waits[VIEWERS - 1],
    );
    assert!(before.len() > 20 && after.len() > 20, "{} and {}", before.len(), after.len());
    assert!(parts <= before.len() as u64, "each part once: {parts} for {}", before.len());
    assert!(playlists <= before.len() as u64 + 20, "each playlist once: {playlists} for {} parts", before.len());
    assert!(again <= after.len() as u64 + 1, "each part once: {again} for {}", after.len());
    assert!(waits[VIEWERS - 1] < HANDOVER_MAX, "{waits:?}");

    encoder.stop().await;
    for mut process in [ingest, second] {
        let (status, took) = process.terminate().await;
        assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    }
    stack.stop().await;
}
