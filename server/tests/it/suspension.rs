//! Row E5: a member whose account is suspended while they are on air.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use testkit::socket::{ConnectOptions, SocketClient};
use testkit::stack::{Ffmpeg, Plan};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::EXE;

/// What is promised, and one segment.
const CUT_WITHIN: Duration = Duration::from_secs(5);
const SOCKET_WITHIN: Duration = Duration::from_secs(2);
const SEGMENT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_suspended_broadcaster_is_off_the_air_within_five_seconds_and_stays_off() {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none");
    let variables = ["database.url", "redis.url", "redis.prefix"].map(|key| {
        let name = format!("RILLCAST__{}", key.to_uppercase().replace('.', "__"));
        (name, plan.value(key).expect("it was set").to_owned())
    });
    let stack = plan.start().await;
    let data = stack.data_dir();
    let operator = async |command: &str| {
        let output = Command::new(EXE)
            .args(["user", command, "--username", "alice"])
            .env("RILLCAST__DATA_DIR", &data)
            .envs(variables.clone())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 120.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(stack.get("/live/alice/index.m3u8").await.status, 200);
    let connect = ConnectOptions { auth: json!({ "token": alice.token }), origin: None };
    let socket = SocketClient::connect(stack.http(), connect).await.expect("connected");

    operator("suspend").await;
    let since = Instant::now();
    socket.closed().await.unwrap();
    assert!(since.elapsed() < SOCKET_WITHIN, "the socket was closed after {:?}", since.elapsed());
    let me = stack.send(reqwest::Method::GET, "/api/v1/me", Some(&alice.token), None).await;
    assert_eq!(me.status, 401, "{}", me.text);
    // The encoder's own end is what the broadcaster sees.
    let error = encoder.finish().await.expect_err("the encoder is cut");
    let cut = since.elapsed();
    assert!(cut < CUT_WITHIN, "cut after {cut:?}: {error}");
    let playlist = loop {
        let answer = stack.get("/live/alice/source/index.m3u8").await;
        if answer.status != 200 || answer.text.contains("#EXT-X-ENDLIST") {
            break answer.status;
        }
        assert!(since.elapsed() < CUT_WITHIN + SEGMENT, "still live after {:?}: {}", since.elapsed(), answer.text);
        sleep(Duration::from_millis(100)).await;
    };
    println!("cut after {cut:?}; the playlist answered {playlist} after {:?}", since.elapsed());
    let channel = stack.get("/api/v1/channels/alice").await;
    assert_eq!(channel.status, 404, "{}", channel.text);

    let refused = Ffmpeg::publish(&stack.publish_url(&alice), 10.0).finish().await;
    assert!(refused.is_err(), "a suspended member came back on air");
    let login = json!({ "login": "alice", "password": alice.password });
    let answer = stack.send(reqwest::Method::POST, "/api/v1/auth/login", None, Some(login)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("account.suspended")));

    operator("readmit").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 60.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    encoder.stop().await;
    stack.until_status("alice", None, Duration::from_secs(5)).await;
    stack.stop().await;
}
