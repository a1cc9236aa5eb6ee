//! The checker of HLS rules, turned on ourselves.

use std::time::Duration;

use testkit::stack::{Ffmpeg, Plan};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::EXE;

#[tokio::test]
async fn a_running_broadcast_breaks_no_binding_rule_of_hls() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let alice = stack.member("alice").await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 20.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;
    // What is said of key frames has to be seen first.
    let tags = ["#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-I-FRAME-STREAM-INF"];
    let settled = async {
        loop {
            let playlist = stack.get("/live/alice/index.m3u8").await;
            if tags.iter().all(|tag| playlist.text.contains(tag)) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(12), settled).await.expect("it has key frames");
    let checker = Command::new(EXE)
        .args(["hls-check", "--seconds", "10", &stack.url("/live/alice/index.m3u8")])
        .kill_on_drop(true)
        .output();
    let checked = timeout(Duration::from_secs(40), checker).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    // It may name one variant as too few: no ladder was asked for.
    assert!(said.contains("0 MUST, 0 APPLE"), "{said}");
    encoder.finish().await.unwrap();
    stack.stop().await;
}
