//! Ten minutes of the checker of HLS rules on each kind of playlist there is.

use std::time::Duration;

use testkit::stack::{Ffmpeg, Plan};
use tokio::process::Command;
use tokio::time::timeout;

use crate::EXE;
use crate::broadcast::ready_vod;

const CHECKED_S: u32 = 600;

/// What the checker says of a playlist it watched for ten minutes.
async fn checked(what: &str, url: String) -> String {
    let checker =
        Command::new(EXE).args(["hls-check", "--seconds", &CHECKED_S.to_string(), &url]).kill_on_drop(true).output();
    let bound = Duration::from_secs(u64::from(CHECKED_S) + 120);
    let checked = timeout(bound, checker).await.expect("it ends").expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    println!("measured: {what}\n{said}");
    said
}

#[tokio::test]
#[ignore = "ten minutes"]
async fn ten_minutes_of_a_broadcast_and_of_its_recording_break_no_binding_rule() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "480p").start().await;
    let (alice, bob) = (stack.member("alice").await, stack.member("bob").await);
    Ffmpeg::publish(&stack.publish_url(&bob), 60.0).finish().await.expect("it is published");
    let vod = ready_vod(&stack, "bob", Duration::from_secs(10)).await;
    let recorded = stack.url(vod["playback"]["hls"].as_str().expect("an address"));
    let encoder = Ffmpeg::publish_with(
        &stack.publish_url(&alice),
        f64::from(CHECKED_S) + 180.0,
        &["-g", "60", "-bf", "2"],
        "testsrc2=size=960x540:rate=30",
    );
    stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;
    stack.until_text("/live/alice/index.m3u8", Duration::from_secs(20), |text| text.contains("480p/index.m3u8")).await;
    let (live, rewound, recording) = tokio::join!(
        checked("live", stack.url("/live/alice/index.m3u8")),
        checked("rewound to its beginning", stack.url("/live/alice/index.m3u8?dvr=1")),
        checked("a recording", recorded)
    );
    for said in [live, rewound, recording] {
        assert!(said.contains("0 MUST, 0 APPLE"), "{said}");
    }
    encoder.stop().await;
    ready_vod(&stack, "alice", Duration::from_secs(10)).await;
    stack.stop().await;
}
