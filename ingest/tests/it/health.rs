//! Measured seconds on their way out of the node: told each second, stored every ten, never waited for.

use std::time::Duration;

use futures::StreamExt;
use live::fanout::Target;
use media::link::FrameKind;
use serde_json::{Value, json};
use testkit::rtmp::{Pace, made_up_tags};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::{KEY, Rig};

/// Gives the next told second to be told, and who may hear it.
async fn next(pushes: &mut (impl futures::Stream<Item = live::fanout::Push> + Unpin)) -> (Target, Value) {
    let push = timeout(Duration::from_secs(5), pushes.next()).await.expect("a second is told").expect("subscribed");
    assert_eq!(push.event, live::health::EVENT);
    (push.target, push.payload)
}

#[tokio::test]
async fn while_postgres_hangs_seconds_are_told_and_media_flows_and_afterwards_they_are_stored_again() {
    let rig = Rig::start().await;
    let live = live::Live::new(&rig.config.redis).expect("an address");
    let mut pushes = live::fanout::subscribe(&live).await.expect("subscribed");
    let mut encoder = rig.publish(KEY).await;
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        encoder.send(made_up_tags(60), Pace::RealTime).await.expect("sends");
        encoder
    });
    let (target, told) = next(&mut pushes).await;
    let channel = rig.rows("SELECT channel_id FROM streams").await[0]["channel_id"].clone();
    assert_eq!(serde_json::to_value(target).expect("JSON"), json!({"kind": "user", "id": channel}));
    let stream = told["stream_id"].as_str().expect("an id").parse().expect("an id");
    let newest = live::health::newest(&live, stream).await.expect("Redis").expect("kept");
    assert!((0..=2).contains(&(kit::clock::now() - newest.at).num_seconds()), "{newest:?}");

    // A statement that waits for a lock is a database that hangs.
    let lock = rig.pool.clone();
    let mut hanging = JoinSet::new();
    hanging.spawn(async move {
        let hang = "BEGIN; LOCK TABLE ingest_health; SELECT pg_sleep(16); COMMIT";
        db::testing::execute(&lock, hang).await.expect("hangs");
    });
    let begun = Instant::now();
    let mut count = 0;
    while !hanging.is_empty() {
        let waited = Instant::now();
        let (_, told) = next(&mut pushes).await;
        assert!(waited.elapsed() < Duration::from_millis(2_500), "told after {:?}", waited.elapsed());
        assert_ne!(told["verdict"], "noData");
        count += 1;
        let _ = hanging.try_join_next().transpose().expect("no panic");
    }
    assert!(count >= 14, "{count} seconds told in {:?}", begun.elapsed());
    rig.transcoder.until("media", |all| all[0].count(FrameKind::Video) > 30 * 14).await;

    let released = kit::clock::now();
    let rows = format!(
        "SELECT jsonb_array_length(samples) AS seconds, summary->>'epoch' AS epoch FROM ingest_health \
          WHERE began_at + interval '15 s' > '{}'",
        released.to_rfc3339()
    );
    let begun = Instant::now();
    let stored = loop {
        let stored = rig.rows(&rows).await;
        if let Some(stored) = stored.into_iter().next() {
            break stored;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is stored any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!((8..=12).contains(&stored["seconds"].as_i64().expect("a number")), "{stored}");
    assert_eq!(stored["epoch"], "1");
    sending.abort_all();
    rig.stop().await;
}

#[tokio::test]
async fn a_stopping_node_stores_what_was_measured_last() {
    let mut rig = Rig::start().await;
    let live = live::Live::new(&rig.config.redis).expect("an address");
    let mut pushes = live::fanout::subscribe(&live).await.expect("subscribed");
    let mut encoder = rig.publish(KEY).await;
    let mut sending = JoinSet::new();
    sending.spawn(async move { encoder.send(made_up_tags(20), Pace::RealTime).await });
    let (_, first) = next(&mut pushes).await;
    assert_eq!(first["epoch"], 1);
    let _second = next(&mut pushes).await;
    rig.stop.cancel();
    while let Some(ended) = rig.tasks.join_next().await {
        ended.expect("no panic").expect("no error");
    }
    let stored = rig.rows("SELECT samples->0->>'at' AS at, stream_id FROM ingest_health").await;
    assert_eq!(stored.len(), 1);
    assert_eq!((&stored[0]["at"], &stored[0]["stream_id"]), (&first["at"], &first["stream_id"]));
    sending.abort_all();
    rig.stop().await;
}
