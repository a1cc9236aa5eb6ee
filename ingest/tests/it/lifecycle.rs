//! Publishers that are lost and come back, nodes that die, transcoders that die, and the operator's hooks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use db::publish::{self, Rules};
use media::link::FrameKind;
use serde_json::json;
use testkit::rtmp::{Encoder, Manners, Pace, made_up_tags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{KEY, Rig, eventually};

/// A6: the same stream, the same recording, no second word to followers.
#[tokio::test]
async fn a_lost_publisher_comes_back_into_the_same_stream() {
    let rig = Rig::start().await;
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    encoder.hang_up();
    rig.until(
        "SELECT status, reconnect_until > now() + interval '50 s' AS is_open FROM streams",
        json!([{"status": "reconnecting", "is_open": true}]),
    )
    .await;

    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status, epoch FROM streams", json!([{"status": "live", "epoch": 2}])).await;
    encoder.unpublish().await.expect("the server hangs up");
    rig.until("SELECT status FROM streams", json!([{"status": "ended"}])).await;
    assert_eq!(
        rig.events().await,
        ["stream_online", "publish_done", "stream_reconnecting", "stream_resumed", "publish_done", "stream_offline"]
    );
    let links = rig.transcoder.until("two links", |all| all.len() == 2 && all[1].has_ended()).await;
    assert_eq!(links[0].hello.vod_id, links[1].hello.vod_id);
    assert!(links[0].is_closed && !links[0].has_ended(), "a loss is no end");
    assert_eq!((links[0].hello.epoch, links[1].hello.epoch), (1, 2));
    rig.stop().await;
}

#[tokio::test]
async fn without_a_window_a_loss_is_the_end() {
    let rig = Rig::start_with(|config| config.ingest.reconnect_window_s = 0).await;
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    encoder.hang_up();
    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "connection_lost"}]))
        .await;
    rig.stop().await;
}

/// A4: what a killed node leaves behind is open for its broadcaster the moment it is back.
#[tokio::test]
async fn after_a_crash_of_the_node_its_publisher_comes_back_into_the_same_stream() {
    let mut rig = Rig::start().await;
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    // Its heartbeats, sessions and memory are gone; its rows say live. A frozen clone stands for the dead process.
    rig.execute("UPDATE streams SET heartbeat_at = now() - interval '1 hour'").await;
    rig.tasks.abort_all();
    while rig.tasks.join_next().await.is_some() {}
    rig.serve().await;
    rig.until("SELECT status FROM streams", json!([{"status": "reconnecting"}])).await;
    let mut again = rig.publish(KEY).await;
    again.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status, epoch FROM streams", json!([{"status": "live", "epoch": 2}])).await;
    again.unpublish().await.expect("the server hangs up");
    rig.stop().await;
}

#[tokio::test]
async fn sweeping_opens_the_window_for_dead_nodes_and_closes_it_in_time_once() {
    let rig = Rig::start().await;
    let rules = Rules { reconnect_window_s: 60, owes_done_hook: true };
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    let sweep = async || {
        let mut tx = db::begin(&rig.pool).await.expect("a transaction");
        let swept = publish::sweep(&mut tx, rules).await.expect("sweeps");
        db::commit(tx).await.expect("commits");
        (swept.lost, swept.over)
    };
    assert_eq!(sweep().await, (0, 0), "a living node is left alone");
    rig.execute("UPDATE streams SET heartbeat_at = now() - interval '16 s', ingest_node = 'dead'").await;
    assert_eq!(sweep().await, (1, 0));
    assert_eq!(sweep().await, (0, 0), "the window is open");
    rig.until("SELECT status FROM streams", json!([{"status": "reconnecting"}])).await;
    rig.execute("UPDATE streams SET reconnect_until = now()").await;
    assert_eq!(sweep().await, (0, 1));
    assert_eq!(sweep().await, (0, 0));
    let events = rig.events().await;
    assert_eq!(events, ["stream_online", "publish_done", "stream_reconnecting", "stream_offline"]);
    rig.until("SELECT hook FROM hook_deliveries", json!([{"hook": "on_publish_done"}])).await;
    // The dead node was not dead after all: its session is told to go, and changes nothing more.
    encoder.closed().await.expect("cut");
    assert_eq!(rig.events().await, events);
    rig.stop().await;
}

#[tokio::test]
async fn when_the_transcoder_is_lost_the_publisher_stays_and_the_next_link_begins_at_a_key_frame() {
    let rig = Rig::start().await;
    let mut encoder = rig.publish(KEY).await;
    let tags = made_up_tags(4);
    let (before, after) = tags.split_at(120);
    encoder.send(before.to_vec(), Pace::AsFastAsPossible).await.expect("sends");
    rig.transcoder.until("media", |all| all.first().is_some_and(|link| link.frames.len() >= 120)).await;
    rig.transcoder.fail();
    rig.transcoder.until("the loss", |all| all[0].is_closed).await;
    encoder.send(after.to_vec(), Pace::AsFastAsPossible).await.expect("the publisher notices nothing");
    rig.transcoder.mend();
    encoder.unpublish().await.expect("the server hangs up");
    let links = rig.transcoder.until("the second link", |all| all.len() == 2 && all[1].has_ended()).await;
    let frames = &links[1].frames;
    let kinds: Vec<_> = frames[..3].iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [FrameKind::Data, FrameKind::Video, FrameKind::Audio], "headers are told again");
    assert_eq!(frames[1].payload, tags[1].body);
    assert_eq!((frames[3].kind, frames[3].payload[0]), (FrameKind::Video, 0x17), "a key frame");
    assert_eq!(frames[frames.len() - 2].payload, tags[tags.len() - 1].body, "nothing is missing at the end");
    rig.until("SELECT status, epoch FROM streams", json!([{"status": "ended", "epoch": 1}])).await;
    rig.stop().await;
}

#[tokio::test]
async fn what_is_sent_before_the_transcoder_is_there_waits_for_it() {
    let rig = Rig::start().await;
    rig.transcoder.fail();
    let mut encoder = rig.publish(KEY).await;
    let tags = made_up_tags(3);
    encoder.send(tags.clone(), Pace::AsFastAsPossible).await.expect("sends");
    // Long enough for a few attempts in vain.
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.transcoder.mend();
    encoder.unpublish().await.expect("the server hangs up");
    let links = rig.transcoder.until("the end", |all| all.first().is_some_and(|link| link.has_ended())).await;
    assert_eq!(links[0].frames.len(), tags.len() + 1, "every tag, and the end");
    rig.stop().await;
}

#[tokio::test]
async fn when_no_transcoder_has_room_the_broadcaster_is_told() {
    let rig = Rig::start().await;
    rig.transcoder.fill();
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    let statuses = encoder.closed().await.expect("closed");
    assert_eq!(statuses.last().map(|status| status.description.as_str()), Some("there is no room"));
    rig.until("SELECT stream_id FROM streams WHERE status <> 'ended'", json!([])).await;
    rig.stop().await;
}

#[tokio::test]
async fn stopping_the_node_ends_its_streams_properly() {
    let rig = Rig::start().await;
    let mut encoder = rig.publish(KEY).await;
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    rig.until("SELECT status FROM streams", json!([{"status": "live"}])).await;
    let (transcoder, pool) = (rig.transcoder.clone(), rig.pool.clone());
    rig.stop.cancel();
    encoder.closed().await.expect("closed");
    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "server_stopping"}]))
        .await;
    transcoder.until("the end", |all| all[0].has_ended()).await;
    drop(pool);
    rig.stop().await;
}

/// A server that answers every request with one status and keeps the bodies.
struct Operator {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Operator {
    async fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let (bodies, mut task) = (Arc::<Mutex<Vec<String>>>::default(), JoinSet::new());
        let log = Arc::clone(&bodies);
        task.spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut buffer = [0; 4_096];
                while let Ok(n @ 1..) = socket.read(&mut buffer).await {
                    request.extend_from_slice(&buffer[..n]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head
                        .lines()
                        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
                    if body.len() >= length.unwrap_or(0) {
                        log.lock().expect("not poisoned").push(body.to_owned());
                        break;
                    }
                }
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, bodies, _task: task }
    }

    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("not poisoned").clone()
    }
}

#[tokio::test]
async fn the_operator_is_asked_in_nginx_words_and_may_allow() {
    let operator = Operator::answering("204 No Content").await;
    let rig = Rig::start_with(|config| {
        config.hooks.on_publish = operator.url.clone();
        config.hooks.on_publish_done = operator.url.clone();
    })
    .await;
    let manners = Manners { app: format!("live/{KEY}"), stream_name: "?token=a%20b".to_owned(), publish_type: None };
    let mut encoder = Encoder::publish_as(rig.rtmp, manners).await.expect("allowed");
    encoder.send(made_up_tags(1), Pace::AsFastAsPossible).await.expect("sends");
    encoder.unpublish().await.expect("the server hangs up");
    let [body] = &operator.bodies()[..] else { panic!("one call: {:?}", operator.bodies()) };
    for part in [
        "app=live&",
        "addr=127.0.0.1&",
        "&call=publish&name=alice&type=live&token=a%20b",
        "clientid=1",
        "flashver=FMLE",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    assert!(!body.contains(KEY), "the key stays here: {body}");
    rig.until("SELECT hook, attempts FROM hook_deliveries", json!([{"hook": "on_publish_done", "attempts": 0}])).await;
    rig.stop().await;
}

#[tokio::test]
async fn the_operator_may_refuse_and_silence_is_a_refusal() {
    let operator = Operator::answering("403 Forbidden").await;
    let nowhere = "http://127.0.0.1:1/hook".to_owned();
    for url in [operator.url.clone(), nowhere] {
        let rig = Rig::start_with(|config| config.hooks.on_publish = url).await;
        let refusal = Encoder::publish(rig.rtmp, KEY).await.err().expect("refused").said();
        assert_eq!(refusal.code, "NetStream.Publish.BadName");
        assert_eq!(refusal.description, "the operator's publish hook refused this stream");
        assert!(rig.rows("SELECT * FROM streams").await.is_empty(), "nothing was claimed");
        rig.stop().await;
    }
    assert_eq!(operator.bodies().len(), 1);
}

/// The operator is owed an `on_publish_done` for each publish he allowed, also for one without a picture.
#[tokio::test]
async fn a_publish_without_a_picture_is_still_reported_as_done() {
    let rig = Rig::start_with(|config| config.hooks.on_publish_done = "http://127.0.0.1:1/done".to_owned()).await;
    rig.publish(KEY).await.unpublish().await.expect("the server hangs up");
    rig.until("SELECT hook FROM hook_deliveries", json!([{"hook": "on_publish_done"}])).await;
    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "never_delivered"}]))
        .await;
    assert!(rig.rows("SELECT * FROM vods").await.is_empty());
    assert_eq!(rig.events().await, ["publish_done"]);
    rig.stop().await;
}

/// Two newcomers at the same moment: the slot goes to one.
#[tokio::test]
async fn of_many_publishers_at_once_one_gets_on_air() {
    let rig = Rig::start().await;
    let attempts = (0..8).map(|_| Encoder::publish(rig.rtmp, KEY));
    let (on_air, refused): (Vec<_>, Vec<_>) =
        futures::future::join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!((on_air.len(), refused.len()), (1, 7));
    for refusal in refused {
        assert!(refusal.err().expect("refused").said().description.contains("already live"));
    }
    eventually("one publish", async || {
        let rows = rig.rows("SELECT epoch FROM publishes").await;
        if rows == [json!({"epoch": 1})] { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
    drop(on_air);
    tokio::time::timeout(Duration::from_secs(10), rig.stop()).await.expect("stops");
}
