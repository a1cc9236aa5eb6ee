//! The checker of HLS rules, turned on ourselves.

use std::time::Duration;

use testkit::stack::{Ffmpeg, Plan};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::EXE;
use crate::broadcast::ready_vod;

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
    // The window, and the stream from its beginning.
    let (window, whole) = tokio::join!(
        checked(stack.url("/live/alice/index.m3u8"), 10),
        checked(stack.url("/live/alice/index.m3u8?dvr=1"), 10)
    );
    // It may name one variant as too few: no ladder was asked for.
    assert!(window.contains("0 MUST, 0 APPLE"), "{window}");
    assert!(whole.contains("0 MUST, 0 APPLE"), "{whole}");
    encoder.finish().await.unwrap();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(10)).await;
    let id = vod["id"].as_str().expect("an id");
    let recorded = checked(stack.url(&format!("/vod/{id}/index.m3u8")), 2).await;
    assert!(recorded.contains("0 MUST, 0 APPLE"), "{recorded}");
    stack.stop().await;
}

/// What the checker says of a playlist it watches for `seconds`.
pub async fn checked(url: String, seconds: u32) -> String {
    let checker =
        Command::new(EXE).args(["hls-check", "--seconds", &seconds.to_string(), &url]).kill_on_drop(true).output();
    let checked = timeout(Duration::from_secs(40), checker).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{url}: {said}{}", String::from_utf8_lossy(&checked.stderr));
    said
}
