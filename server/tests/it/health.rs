//! What a broadcaster is told about what arrives: over Socket.IO each second, over HTTP whenever it is asked.

use std::net::SocketAddr;
use std::time::Duration;

use media::flv::{FileTag, TagKind};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::rtmp::{Encoder, Pace, made_up_tags};
use testkit::socket::{ConnectOptions, SocketClient};
use testkit::stack::{Member, Plan, Stack};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::EXE;

const EVENT: &str = "ingest:health";

/// Real AAC cadence (48 kHz, 1,024 samples) instead of a round number, a key frame of so many pictures, and what is left of it.
fn tags(seconds: u32, gop: u32, keeps: impl Fn(&FileTag) -> bool) -> Vec<FileTag> {
    let made = made_up_tags(seconds);
    let (mut pictures, mut sounds) = (0_u32, 0_u32);
    let mut tags: Vec<FileTag> = Vec::new();
    for mut tag in made {
        match (tag.kind, tag.body.get(1)) {
            (TagKind::Video, Some(1)) => {
                let mut body = tag.body.to_vec();
                body[0] = if pictures.is_multiple_of(gop) { 0x17 } else { 0x27 };
                tag.body = body.into();
                pictures += 1;
            }
            (TagKind::Audio, Some(1)) => {
                tag.timestamp_ms = (u64::from(sounds) * 64 / 3) as u32;
                sounds += 1;
            }
            _ => {}
        }
        tags.push(tag);
    }
    tags.retain(|tag| keeps(tag));
    tags.sort_by_key(|tag| tag.timestamp_ms);
    tags
}

async fn on_air(stack: &Stack, member: &Member) -> Encoder {
    let addr = stack.process.rtmp.trim_start_matches("rtmp://").split('/').next().expect("an address");
    let addr: SocketAddr = addr.parse().expect("an address");
    Encoder::publish(addr, &member.stream_key).await.expect("on air")
}

async fn listen(stack: &Stack, member: &Member) -> SocketClient {
    let options = ConnectOptions { auth: json!({ "token": member.token }), ..ConnectOptions::default() };
    SocketClient::connect(stack.http(), options).await.expect("connected")
}

fn has(second: &Value, issue: &str) -> bool {
    second["issues"].as_array().is_some_and(|issues| issues.iter().any(|found| found["type"] == issue))
}

/// The first second told that fits, within half a minute.
async fn until(socket: &SocketClient, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    let mut last = Value::Null;
    while begun.elapsed() < Duration::from_secs(30) {
        let second = socket.next(EVENT).await.expect("a second is told");
        if fits(&second) {
            return second;
        }
        last = second;
    }
    panic!("{what}: never, the last is {last}");
}

async fn asked(stack: &Stack, member: &Member) -> Value {
    let answer = stack.send(Method::GET, "/api/v1/me/stream/health?minutes=5", Some(&member.token), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcaster_is_told_what_is_wrong_with_what_arrives() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let mut people = Vec::new();
    for name in ["good", "mute", "longgop", "stalls"] {
        let member = stack.member(name).await;
        let socket = listen(&stack, &member).await;
        people.push((member, socket));
    }
    let [(good, good_socket), (mute, mute_socket), (long, long_socket), (stalls, stalls_socket)] =
        <[_; 4]>::try_from(people).ok().expect("four");

    let mut encoders = JoinSet::new();
    let mut begin = async |member: &Member, tags: Vec<FileTag>| {
        let mut encoder = on_air(&stack, member).await;
        encoders.spawn(async move {
            encoder.send(tags, Pace::RealTime).await.expect("sent");
            encoder
        });
    };
    begin(&good, tags(30, 30, |_| true)).await;
    begin(&mute, tags(30, 30, |tag| tag.kind != TagKind::Audio)).await;
    begin(&long, tags(30, 180, |_| true)).await;
    // Its clock goes on while nothing is sent for four seconds, as when a line breaks down.
    begin(&stalls, tags(30, 30, |tag| !(6_000..10_000).contains(&tag.timestamp_ms))).await;

    let second = until(&good_socket, "a good second", |second| {
        second["verdict"] == "good" && second["keyframe_ms"].is_number() && second["pace"].is_number()
    })
    .await;
    assert_eq!((&second["issues"], &second["epoch"]), (&json!([]), &json!(1)), "{second}");
    assert!((900..2_000).contains(&second["video_kbps"].as_u64().unwrap()), "{second}");
    assert!((26.0..34.0).contains(&second["fps"].as_f64().unwrap()), "{second}");
    assert!((990..1_010).contains(&second["keyframe_ms"].as_u64().unwrap()), "{second}");
    assert!(second["av_offset_ms"].as_i64().unwrap().abs() < 200, "{second}");
    assert!(second["audio_drift_ms"].as_i64().unwrap().abs() < 100, "{second}");
    let health = asked(&stack, &good).await;
    assert_eq!((&health["verdict"], &health["issues"]), (&json!("good"), &json!([])), "{health}");
    let good_stream = health["stream_id"].clone();
    assert_eq!(good_stream, second["stream_id"]);

    let second = until(&mute_socket, "no sound", |second| has(second, "noAudioStream")).await;
    assert_eq!((&second["verdict"], &second["av_offset_ms"]), (&json!("ok"), &Value::Null), "{second}");
    let health = asked(&stack, &mute).await;
    assert_eq!(health["issues"], json!([{ "type": "noAudioStream", "severity": "warning" }]), "{health}");

    let silent = until(&stalls_socket, "the stall", |second| second["verdict"] == "noData").await;
    assert_eq!(silent["issues"], json!([]), "there is nothing to judge");
    let back = until(&stalls_socket, "the return", |second| second["verdict"] != "noData").await;
    assert!(back["at"].as_str() > silent["at"].as_str());

    let second = until(&long_socket, "a long group", |second| has(second, "gopSizeLong")).await;
    assert_eq!(second["verdict"], "ok", "{second}");
    let told = until(&long_socket, "its length", |second| second["keyframe_ms"].as_u64() >= Some(5_900)).await;
    assert!(told["keyframe_ms"].as_u64() < Some(7_000), "{told}");

    // Stored seconds are there for whoever comes later, each once and in order.
    let path = format!("/api/v1/streams/{}/health", health["stream_id"].as_str().unwrap());
    let enough = |health: &Value| health["items"].as_array().is_some_and(|items| items.len() >= 8);
    let stored = stack.until(&path, Some(&mute.token), Duration::from_secs(20), enough).await;
    let times: Vec<&str> = stored["items"].as_array().unwrap().iter().filter_map(|item| item["at"].as_str()).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    assert!(stored["items"].as_array().unwrap().iter().any(|item| has(item, "noAudioStream")), "{stored}");
    // It is nobody else's business.
    assert_eq!(stack.send(Method::GET, &path, Some(&good.token), None).await.status, 404);
    assert_eq!(stack.get(&path).await.status, 401);
    let told = good_socket.drain(EVENT).await;
    assert!(!told.is_empty() && told.iter().all(|second| second["stream_id"] == good_stream), "only his own");

    // Gone without a word: no data at once, and while it may come back.
    encoders.abort_all();
    while encoders.join_next().await.is_some() {}
    until(&good_socket, "the loss", |second| second["verdict"] == "noData").await;
    stack.until_status("good", Some("reconnecting"), Duration::from_secs(10)).await;
    assert_eq!(asked(&stack, &good).await["verdict"], "noData");
    stack.stop().await;
}
