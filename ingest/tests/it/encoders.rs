//! The programs people really publish with.

use std::process::Stdio;

use media::flv::{TagKind, file_tags};
use media::link::FrameKind;
use serde_json::json;
use testkit::rtmp::flv_file;
use tokio::process::Command;

use crate::support::{KEY, Rig};

#[tokio::test]
async fn ffmpeg_publishes_and_every_frame_of_its_file_arrives() {
    let rig = Rig::start().await;
    let file = flv_file(3).await.expect("a file");
    let path = rig.data_dir().join("input.flv");
    std::fs::write(&path, &file).expect("writes");
    let published = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&path)
        .args(["-c", "copy", "-f", "flv", &format!("rtmp://{}/live/{KEY}?x=1", rig.rtmp)])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("ffmpeg runs");
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let links = rig.transcoder.until("the end", |all| all.first().is_some_and(|link| link.has_ended())).await;
    for (kind, tag_kind) in [(FrameKind::Video, TagKind::Video), (FrameKind::Audio, TagKind::Audio)] {
        // Compared without ffmpeg's end-of-sequence tags, which a copied file may or may not have.
        let is_media = |body: &[u8]| kind == FrameKind::Audio || body.get(1).is_some_and(|packet| *packet < 2);
        let sent: Vec<_> = file_tags(&file)
            .expect("an FLV file")
            .filter(|tag| tag.kind == tag_kind && is_media(&tag.body))
            .map(|tag| tag.body)
            .collect();
        let arrived: Vec<_> = links[0].payloads(kind).into_iter().filter(|body| is_media(body)).collect();
        assert_eq!(arrived.len(), sent.len(), "{kind:?}");
        assert!(arrived == sent, "{kind:?} differs");
    }
    rig.until("SELECT status, end_reason FROM streams", json!([{"status": "ended", "end_reason": "unpublished"}]))
        .await;
    rig.stop().await;
}

#[tokio::test]
async fn ffmpeg_is_told_that_its_key_is_wrong() {
    let rig = Rig::start().await;
    let refused = Command::new("ffmpeg")
        .args([
            "-v",
            "verbose",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x64:rate=10",
            "-t",
            "1",
            "-c:v",
            "libx264",
            "-f",
            "flv",
        ])
        .arg(format!("rtmp://{}/live/wrong", rig.rtmp))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("ffmpeg runs");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(words.contains("no channel answers to this stream key"), "{words}");
    rig.stop().await;
}

#[tokio::test]
async fn gstreamer_publishes_with_rtmp2sink() {
    let rig = Rig::start().await;
    let pipeline = format!(
        "flvmux name=mux streamable=true ! rtmp2sink location=rtmp://{}/live/{KEY} \
         videotestsrc num-buffers=60 ! video/x-raw,width=320,height=180,framerate=30/1 ! x264enc tune=zerolatency \
         key-int-max=30 ! h264parse ! mux. \
         audiotestsrc num-buffers=90 ! avenc_aac ! aacparse ! mux.",
        rig.rtmp
    );
    let published = Command::new("gst-launch-1.0")
        .args(pipeline.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("gst-launch-1.0 runs");
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let links = rig
        .transcoder
        .until("sixty pictures", |all| all.first().is_some_and(|link| link.count(FrameKind::Video) >= 61))
        .await;
    assert!(links[0].count(FrameKind::Audio) >= 80, "{}", links[0].count(FrameKind::Audio));
    rig.until("SELECT count(*) AS n FROM outbox WHERE kind = 'stream_online'", json!([{"n": 1}])).await;
    rig.stop().await;
}
