//! Roles that are killed or restarted while others go on.

use std::time::Duration;

use testkit::stack::{Ffmpeg, Member, Plan, decode};
use testkit::viewer::{Seen, Viewer};
use tokio::time::{Instant, sleep};

use crate::broadcast::ready_vod;
use crate::nodes::Site;

/// What a viewer saw of a rendition while something went wrong.
pub struct Followed {
    pub seen: Seen,
    /// Arrival of each new part.
    pub arrivals: Vec<Instant>,
    /// What requests failed with; a player asks again.
    pub failures: Vec<String>,
}

impl Followed {
    /// The longest time without a new part, and from when on it was waited for.
    pub fn longest_pause(&self) -> Duration {
        self.arrivals.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
    }
}

pub async fn follow(base: &str, username: &str, lasting: Duration) -> Followed {
    let viewer = Viewer::new(base);
    let path = viewer.rendition(username, "source", Duration::from_secs(10)).await.expect("it appears");
    let mut watch = viewer.begin(&path);
    let (mut arrivals, mut failures) = (Vec::new(), Vec::new());
    let until = Instant::now() + lasting;
    while Instant::now() < until {
        let before = watch.seen.parts.len();
        if let Err(error) = watch.step().await {
            failures.push(format!("{error:#}"));
            sleep(Duration::from_millis(50)).await;
        }
        if watch.seen.parts.len() > before {
            arrivals.push(Instant::now());
        }
    }
    Followed { seen: watch.seen, arrivals, failures }
}

pub fn publish(rtmp: &str, member: &Member, seconds: f64) -> Ffmpeg {
    Ffmpeg::publish(&format!("{rtmp}/{}", member.stream_key), seconds)
}

/// A1b. The publisher keeps its connection, another node takes the stream over, and both viewers and recording go on after
/// one discontinuity.
#[tokio::test]
async fn when_a_transcoder_is_killed_another_takes_its_stream_over() {
    let site = Site::start().await;
    let mut transcoders = [site.node("t1", "transcoder", &[]).await, site.node("t2", "transcoder", &[]).await];
    let others = site.node("others", "ingest,jobs,api,chat", &[]).await;
    let rtmp = others.rtmp.clone();
    let stack = Plan::around(others, rtmp.clone());
    let alice = stack.member("alice").await;
    let began = Instant::now();
    let encoder = publish(&rtmp, &alice, 120.0);
    stack.until_status("alice", Some("live"), Duration::from_secs(15)).await;

    let murder = async {
        sleep(Duration::from_secs(5)).await;
        let owner = usize::from(site.spooled_bytes("t2") > site.spooled_bytes("t1"));
        assert!(site.spooled_bytes(["t1", "t2"][owner]) > 100_000, "one of them records the stream");
        transcoders[owner].kill().await;
    };
    let (followed, ()) = tokio::join!(follow(stack.http(), "alice", Duration::from_secs(14)), murder);
    let pause = followed.longest_pause();
    println!("A1b: longest pause {pause:?}, {} requests failed meanwhile", followed.failures.len());
    assert!(pause < Duration::from_secs(6), "{pause:?}: {:?}", followed.failures);
    assert!(followed.seen.violations.is_empty(), "{:#?}", followed.seen.violations);
    assert_eq!(followed.seen.discontinuities.len(), 1, "{:?}", followed.seen.discontinuities);
    stack.until_status("alice", Some("live"), Duration::from_secs(1)).await;
    encoder.stop().await;
    let delivered_s = began.elapsed().as_secs_f64();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(15)).await;
    let decoded = decode(&stack.url(vod["playback"]["hls"].as_str().unwrap())).await;
    assert_eq!(decoded.errors, "");
    let lost_s = delivered_s - decoded.video_frames as f64 / 30.0;
    println!("A1b: {lost_s:.2} s of {delivered_s:.1} are not in the recording");
    // A segment, and what the encoder needed to begin.
    assert!(lost_s < 4.0, "{decoded:?} of {delivered_s} s");
    for mut process in transcoders {
        if !process.is_dead() {
            process.terminate().await;
        }
    }
    stack.stop().await;
}
