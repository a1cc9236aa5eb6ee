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
    // What is said of key frames is said from the first playlist on.
    let first = async {
        loop {
            let playlist = stack.get("/live/alice/index.m3u8").await;
            if playlist.status == 200 {
                return playlist.text;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let first = timeout(Duration::from_secs(12), first).await.expect("it is there");
    for tag in ["#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-I-FRAME-STREAM-INF", "LANGUAGE=\"und\""] {
        assert!(first.contains(tag), "{first}");
    }
    let iframes = first.lines().find_map(|line| line.split("URI=\"").nth(1).filter(|_| line.contains("I-FRAME")));
    let iframes = iframes.and_then(|rest| rest.split('"').next()).expect("its address");
    let iframes = stack.get(&format!("/live/alice/{iframes}")).await;
    assert!(iframes.status == 200 && iframes.text.contains("#EXT-X-BYTERANGE:"), "{}", iframes.text);
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
