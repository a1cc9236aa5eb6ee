//! From `publish` to the first part a viewer has, and from stop to a recording that is ready.

use std::time::Duration;

use media::flv::file_tags;
use serde_json::{Value, json};
use testkit::rtmp::{Encoder, Pace};
use testkit::viewer::{Until, Viewer};
use tokio::time::{Instant, sleep};

use crate::process;

const CLIP_S: u32 = 60;

pub async fn run() -> anyhow::Result<Value> {
    let clip = crate::clip::flv(CLIP_S).await?;
    let site = process::site(None).await?;
    let alice = site.member("alice").await;
    let addr = site.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse()?;
    let mut encoder =
        Encoder::publish(addr, &alice.stream_key).await.map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let published = Instant::now();
    let viewer = Viewer::new(site.http());
    let first = async {
        let path = viewer.rendition("alice", "source", Duration::from_secs(10)).await?;
        viewer.watch(&path, Until::Parts(1)).await?;
        anyhow::Ok(published.elapsed())
    };
    let (sent, first) = tokio::join!(encoder.send(file_tags(&clip)?, Pace::RealTime), first);
    sent?;
    let first_part_s = first?.as_secs_f64();
    let stopped = Instant::now();
    encoder.unpublish().await?;
    loop {
        let list = site.get("/api/v1/vods?channel=alice").await.json();
        if list["items"][0]["status"] == "ready" {
            break;
        }
        anyhow::ensure!(stopped.elapsed() < Duration::from_secs(30), "the recording is never ready: {list}");
        sleep(Duration::from_millis(5)).await;
    }
    let ready_s = stopped.elapsed().as_secs_f64();
    site.stop().await;
    println!(
        "publish to the first part {first_part_s:.3} s; stop to ready, after {CLIP_S} s of stream, {ready_s:.3} s"
    );
    Ok(json!({ "first_part_s": first_part_s, "stop_to_ready_s": ready_s, "stream_s": CLIP_S }))
}
