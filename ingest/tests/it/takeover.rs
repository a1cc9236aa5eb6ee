//! Two encoders for one channel: who may take over from whom, and that whoever lost writes nothing any more.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use db::publish::{self, Beat, Rules};
use domain::stream::PublishEnd;
use domain::{PublishId, StreamId, UserId};
use serde_json::json;
use testkit::rtmp::{Encoder, Manners, Pace, Refusal, made_up_tags};

use crate::support::{KEY, Rig};

async fn publish(rtmp: SocketAddr, args: &str) -> Result<Encoder, Refusal> {
    Encoder::publish_as(rtmp, Manners::obs(&format!("{KEY}{args}"))).await
}

async fn on_air(rig: &Rig, args: &str) -> Encoder {
    let mut encoder = publish(rig.rtmp, args).await.unwrap_or_else(|refusal| panic!("not on air: {refusal}"));
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    encoder
}

fn is_already_live(refused: Result<Encoder, Refusal>) -> bool {
    let said = refused.err().expect("refused").said();
    said.code == "NetStream.Publish.BadName" && said.description.contains("already live")
}

async fn channel(rig: &Rig) -> UserId {
    let rows = rig.rows(
        "SELECT channel_id::text AS id FROM channels JOIN users ON user_id = channel_id WHERE username = 'alice'",
    );
    rows.await[0]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

async fn offer(rig: &Rig) -> bool {
    let mut conn = rig.pool.acquire().await.expect("a connection");
    publish::offer_takeover(&mut conn, channel(rig).await, 30).await.expect("an answer").is_some()
}

/// A9: the stream, its recording and its history go on; the first is sent away with a word and owes one `on_publish_done`.
#[tokio::test]
async fn a_higher_priority_takes_over_and_an_equal_one_is_refused() {
    let rig = Rig::start().await;
    let mut first = on_air(&rig, "?priority=3").await;
    for args in ["", "?priority=3", "?priority=2", "?priority=high"] {
        assert!(is_already_live(publish(rig.rtmp, args).await), "{args}");
    }
    let mut second = publish(rig.rtmp, "?token=x&priority=4").await.expect("it outranks");
    let last = first.closed().await.expect("closed").pop().expect("a word");
    assert_eq!(
        (last.code.as_str(), last.description.as_str()),
        ("NetStream.Publish.Failed", "another encoder has taken over")
    );
    second.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    assert!(is_already_live(publish(rig.rtmp, "?priority=4").await), "the first may not have it back");
    second.unpublish().await.expect("the server hangs up");
    rig.until("SELECT status, epoch FROM streams", json!([{"status": "ended", "epoch": 2}])).await;
    rig.until(
        "SELECT epoch, end_reason, priority FROM publishes ORDER BY epoch",
        json!([
            {"epoch": 1, "end_reason": "superseded", "priority": 3},
            {"epoch": 2, "end_reason": "unpublished", "priority": 4},
        ]),
    )
    .await;
    assert_eq!(rig.events().await, ["stream_online", "publish_done", "publish_done", "stream_offline"]);
    let links = rig.transcoder.until("two links", |all| all.len() == 2 && all[1].has_ended()).await;
    assert_eq!((&links[0].hello.vod_id, links[0].hello.epoch), (&links[1].hello.vod_id, 1));
    assert!(!links[0].has_ended(), "losing the slot does not end the stream");
    rig.stop().await;
}

/// The same between two nodes: Postgres decides, and the loser hears of it by its heartbeat or from the transcoder.
#[tokio::test]
async fn on_another_node_the_priority_counts_as_well() {
    let mut rig = Rig::start().await;
    let elsewhere = rig.serve_as("node-2").await;
    let mut first = on_air(&rig, "").await;
    assert!(is_already_live(publish(elsewhere, "").await));
    let second = publish(elsewhere, "?priority=1").await.expect("it outranks");
    let begun = Instant::now();
    first.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("it knows of nothing yet");
    let last = first.closed().await.expect("closed").pop().expect("a word");
    assert_eq!(last.description, "another encoder has taken over");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    drop(second);
    rig.stop().await;
}

#[tokio::test]
async fn an_encoder_whose_transcoder_has_a_newer_one_is_told_at_once() {
    let rig = Rig::start().await;
    let mut first = on_air(&rig, "").await;
    rig.transcoder.take();
    let begun = Instant::now();
    first.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    let last = first.closed().await.expect("closed").pop().expect("a word");
    assert_eq!(last.description, "another encoder has taken over");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    rig.stop().await;
}

/// The owner's word holds for one encoder, and an encoder of higher priority that tries again does not undo it.
#[tokio::test]
async fn after_the_owners_word_the_next_encoder_takes_over_and_only_that_one() {
    let rig = Rig::start().await;
    assert!(!offer(&rig).await, "nobody publishes");
    let mut first = on_air(&rig, "?priority=9").await;
    assert!(offer(&rig).await);
    let mut second = publish(rig.rtmp, "").await.expect("invited");
    first.closed().await.expect("closed");
    for args in ["", "?priority=9"] {
        assert!(is_already_live(publish(rig.rtmp, args).await), "{args}");
    }
    let outranks = publish(rig.rtmp, "?priority=10").await.expect("it outranks what was there before");
    second.closed().await.expect("closed");
    drop(outranks);

    rig.until("SELECT takeover_until FROM channels WHERE takeover_until IS NOT NULL", json!([])).await;
    rig.until("SELECT epoch FROM publishes WHERE ended_at IS NULL", json!([])).await;
    let third = on_air(&rig, "").await;
    assert!(offer(&rig).await);
    rig.execute("UPDATE channels SET takeover_until = now() WHERE takeover_until IS NOT NULL").await;
    assert!(is_already_live(publish(rig.rtmp, "").await), "the half minute is over");
    assert!(offer(&rig).await);
    let mut conn = rig.pool.acquire().await.expect("a connection");
    publish::withdraw_takeover(&mut conn, channel(&rig).await).await.expect("taken back");
    drop(conn);
    assert!(is_already_live(publish(rig.rtmp, "").await), "taken back");
    third.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}

/// Of several encoders that come after the owner's word, on two nodes, one gets the slot.
#[tokio::test]
async fn of_many_invited_encoders_one_takes_over() {
    let mut rig = Rig::start().await;
    let elsewhere = rig.serve_as("node-2").await;
    let mut first = on_air(&rig, "").await;
    assert!(offer(&rig).await);
    let attempts = (0..6).map(|n| publish(if n % 2 == 0 { rig.rtmp } else { elsewhere }, ""));
    let (on_air, refused): (Vec<_>, Vec<_>) =
        futures::future::join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!((on_air.len(), refused.len()), (1, 5));
    assert!(refused.into_iter().all(is_already_live));
    rig.until("SELECT epoch FROM publishes WHERE ended_at IS NULL", json!([{"epoch": 2}])).await;
    first.closed().await.expect("closed");
    drop(on_air);
    rig.stop().await;
}

/// A connection that does not know yet that it was replaced changes nothing by what it writes.
#[tokio::test]
async fn late_writes_of_the_one_before_change_nothing() {
    let mut rig = Rig::start().await;
    let elsewhere = rig.serve_as("node-2").await;
    let first = on_air(&rig, "").await;
    let rows = rig.rows("SELECT stream_id::text AS s, publish_id::text AS p FROM publishes").await;
    let text = |name: &str| rows[0][name].as_str().expect("an id").to_owned();
    let stream_id: StreamId = text("s").parse().expect("an id");
    let publish_id: PublishId = text("p").parse().expect("an id");
    let mut second = publish(elsewhere, "?priority=1").await.expect("it outranks");
    second.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");

    let rules = Rules { reconnect_window_s: 60, owes_done_hook: true };
    let mut tx = db::begin(&rig.pool).await.expect("a transaction");
    assert!(!publish::online(&mut tx, stream_id, publish_id, 1).await.expect("an answer"));
    let beat = Beat { stream_id, epoch: 1, silent_ms: 0 };
    assert!(publish::heartbeat(&mut tx, "node-1", &[beat]).await.expect("an answer").is_empty());
    for end in [PublishEnd::Unpublished, PublishEnd::Cut, PublishEnd::ConnectionLost, PublishEnd::WentSilent] {
        let done = publish::Done { publish_id, stream_id, epoch: 1, end, has_delivered: true, at: kit::clock::now() };
        publish::done(&mut tx, &done, rules).await.expect("taken");
    }
    db::commit(tx).await.expect("commits");
    rig.until(
        "SELECT status, epoch, ingest_node FROM streams",
        json!([{"status": "live", "epoch": 2, "ingest_node": "node-2"}]),
    )
    .await;
    rig.until("SELECT end_reason FROM publishes WHERE epoch = 1", json!([{"end_reason": "superseded"}])).await;
    second.unpublish().await.expect("the server hangs up");
    drop(first);
    rig.stop().await;
}
