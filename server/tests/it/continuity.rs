//! A broadcast goes on whatever befalls its encoder: replaced, silent without a word, started again with other settings, or gone
//! for good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::socket::{ConnectOptions, SocketClient};
use testkit::stack::{Ffmpeg, Member, Plan, Stack, decode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::EXE;
use crate::broadcast::ready_vod;

const SOON: Duration = Duration::from_secs(10);

async fn site() -> (Stack, Member) {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    (stack, alice)
}

async fn desk(stack: &Stack, member: &Member) -> Value {
    stack.send(Method::GET, "/api/v1/me/stream", Some(&member.token), None).await.json()
}

/// The only stream there is, by its recording's finished playlist: how often the encoder changed, and that all of it decodes.
async fn changes(stack: &Stack, vod: &Value) -> usize {
    let path = format!("/vod/{}/source/index.m3u8", vod["id"].as_str().expect("an id"));
    let text = stack.get(&path).await.text;
    let decoded = decode(&stack.url(&path)).await;
    assert_eq!(decoded.errors, "", "{text}");
    let told = vod["duration_s"].as_f64().expect("a duration");
    assert!((decoded.video_frames as f64 / 30.0 - told).abs() < 0.3, "{decoded:?} of {told} s");
    text.lines().filter(|line| *line == "#EXT-X-DISCONTINUITY").count()
}

/// A9.
#[tokio::test]
async fn an_encoder_of_higher_priority_takes_over_and_the_first_cannot_have_it_back() {
    let (stack, alice) = site().await;
    let url = stack.publish_url(&alice);
    let first = Ffmpeg::publish(&url, 120.0);
    let before = stack.until_status("alice", Some("live"), SOON).await;
    sleep(Duration::from_secs(3)).await;
    assert!(Ffmpeg::publish(&url, 60.0).finish().await.is_err(), "an equal one was let in");

    let second = Ffmpeg::publish(&format!("{url}?priority=5"), 8.0);
    // It is sent away, and what it says afterwards is said to nobody.
    assert!(first.finish().await.is_err(), "the first goes on");
    assert!(Ffmpeg::publish(&url, 60.0).finish().await.is_err(), "the first has it back");
    let after = stack.until_status("alice", Some("live"), Duration::from_secs(1)).await;
    assert_eq!(before["live"]["id"], after["live"]["id"]);
    assert_eq!(before["live"]["playback"], after["live"]["playback"]);
    let encoder = desk(&stack, &alice).await["encoder"].clone();
    assert_eq!((&encoder["epoch"], &encoder["priority"]), (&json!(2), &json!(5)), "{encoder}");
    second.finish().await.expect("the second ends by itself");
    let vod = ready_vod(&stack, "alice", SOON).await;
    assert_eq!(changes(&stack, &vod).await, 1);
    let last = desk(&stack, &alice).await["last"].clone();
    assert_eq!((&last["id"], &last["end_reason"]), (&before["live"]["id"], &json!("unpublished")), "{last}");
    stack.stop().await;
}

#[tokio::test]
async fn after_its_owners_click_the_next_encoder_takes_over_once() {
    let (stack, alice) = site().await;
    let click = || stack.send(Method::POST, "/api/v1/me/stream/takeover", Some(&alice.token), None);
    let refused = click().await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("takeover.no-encoder")));
    let url = stack.publish_url(&alice);
    let first = Ffmpeg::publish(&format!("{url}?priority=50"), 120.0);
    stack.until_status("alice", Some("live"), SOON).await;
    sleep(Duration::from_secs(2)).await;

    let offered = click().await;
    assert_eq!(offered.status, 200, "{}", offered.text);
    assert_eq!(desk(&stack, &alice).await["takeover_until"], offered.json()["until"]);
    let back = stack.send(Method::DELETE, "/api/v1/me/stream/takeover", Some(&alice.token), None).await;
    assert_eq!(back.status, 204);
    assert!(Ffmpeg::publish(&url, 60.0).finish().await.is_err(), "the offer was taken back");
    assert_eq!(click().await.status, 200);
    let second = Ffmpeg::publish(&url, 7.0);
    assert!(first.finish().await.is_err(), "the first goes on");
    let now = desk(&stack, &alice).await;
    assert_eq!((&now["encoder"]["epoch"], &now["takeover_until"]), (&json!(2), &Value::Null), "{now}");
    assert!(Ffmpeg::publish(&format!("{url}?priority=50"), 60.0).finish().await.is_err(), "the click is undone");
    second.finish().await.expect("the second ends by itself");
    let vod = ready_vod(&stack, "alice", SOON).await;
    assert_eq!(changes(&stack, &vod).await, 1);
    stack.stop().await;
}

/// Passes bytes on until it is told to hold them: then nothing moves, and nobody hears of it.
struct Wire {
    addr: SocketAddr,
    holds: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Wire {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (holds, held) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pairs = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(target).await.expect("the site listens");
                let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                pairs.spawn(carry(from_near, to_far, held.clone()));
                pairs.spawn(carry(from_far, to_near, held.clone()));
            }
        });
        Self { addr, holds, _tasks: tasks }
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut held: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        // Also an end is not passed on while the line is dead.
        if held.wait_for(|holds| !holds).await.is_err() || read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

fn rtmp_addr(stack: &Stack) -> SocketAddr {
    let host = stack.process.rtmp.trim_start_matches("rtmp://").split('/').next().expect("an address");
    host.parse().expect("an address")
}

/// A8: no FIN, no RST, no bytes. Viewers are told until when the stream waits; a new encoder is let in at once; what the old one
/// had still to say is not heard.
#[tokio::test]
async fn a_line_that_dies_without_a_word_is_noticed_within_ten_seconds() {
    let (stack, alice) = site().await;
    let wire = Wire::to(rtmp_addr(&stack)).await;
    let socket = SocketClient::connect(stack.http(), ConnectOptions::default()).await.expect("connected");
    assert_eq!(socket.ask("stream:join", json!({"username": "alice"})).await.expect("an answer")["ok"], true);
    let frozen = Ffmpeg::publish(&format!("rtmp://{}/live/{}", wire.addr, alice.stream_key), 120.0);
    let live = stack.until_status("alice", Some("live"), SOON).await;
    let id = live["live"]["id"].as_str().expect("an id").to_owned();
    sleep(Duration::from_secs(2)).await;

    wire.holds.send_replace(true);
    let died = Instant::now();
    stack.until_status("alice", Some("reconnecting"), Duration::from_secs(12)).await;
    let took = died.elapsed();
    println!("measured: a dead line is noticed after {took:?}");
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(10), "{took:?}");
    let stream = stack.get(&format!("/api/v1/streams/{id}")).await.json();
    let told = socket.next("stream:reconnecting").await.expect("viewers are told");
    assert_eq!(told["stream_id"], stream["id"]);
    assert!(told["until"].is_string() && told["until"] == stream["reconnect_until"], "{told} {stream}");

    let back = Instant::now();
    let second = Ffmpeg::publish(&stack.publish_url(&alice), 6.0);
    let again = stack.until_status("alice", Some("live"), SOON).await;
    println!("measured: on air again after {:?}", back.elapsed());
    assert_eq!(again["live"]["id"], id);
    assert_eq!(again["live"]["reconnect_until"], Value::Null);
    wire.holds.send_replace(false);
    assert!(frozen.finish().await.is_err(), "the dead line's encoder is sent away");
    second.finish().await.expect("the new encoder is not disturbed");
    let vod = ready_vod(&stack, "alice", SOON).await;
    assert_eq!(changes(&stack, &vod).await, 1);
    stack.stop().await;
}

/// The operator's server, which says yes to everything and remembers what it was told.
async fn operator() -> (String, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (told, mut task) = (Arc::new(Mutex::new(Vec::new())), JoinSet::new());
    let log = Arc::clone(&told);
    task.spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.to_ascii_lowercase();
                let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    log.lock().await.push(body.to_owned());
                    break;
                }
            }
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (url, told, task)
}

/// A7: playlists end, the operator hears of it once, and the recording is there.
#[tokio::test]
async fn a_broadcaster_who_does_not_come_back_in_time_has_ended_the_stream() {
    let (url, told, _operator) = operator().await;
    let window = Duration::from_secs(6);
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none").set("hooks.on_publish_done", &url);
    let stack = plan.set("ingest.reconnect_window_s", "6").start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 60.0);
    let live = stack.until_status("alice", Some("live"), SOON).await;
    let media = format!("/live/alice/{}/source/index.m3u8", live["live"]["id"].as_str().expect("an id"));
    sleep(Duration::from_secs(4)).await;
    encoder.kill().await;
    let lost = Instant::now();
    stack.until_status("alice", Some("reconnecting"), SOON).await;
    stack.until_text(&media, window + SOON, |text| text.contains("#EXT-X-ENDLIST")).await;
    let over = lost.elapsed();
    println!("measured: the playlist ends {:?} after the window", over.saturating_sub(window));
    assert!(over > window && over < window + Duration::from_secs(2), "{over:?}");
    let vod = ready_vod(&stack, "alice", Duration::from_secs(30)).await;
    assert_eq!(changes(&stack, &vod).await, 0);
    let last = desk(&stack, &alice).await["last"].clone();
    assert_eq!((&last["end_reason"], &last["encoder_end_reason"]), (&json!("window_over"), &json!("connection_lost")));
    sleep(Duration::from_secs(2)).await;
    let told = told.lock().await;
    assert_eq!(told.iter().filter(|body| body.contains("call=publish_done")).count(), 1, "{told:?}");
    stack.stop().await;
}
