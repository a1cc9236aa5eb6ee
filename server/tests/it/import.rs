//! A file becomes a recording in a whole site, and the checker of HLS rules and players look at what came of it.

use std::time::Duration;

use testkit::stack::{Plan, decode};
use tokio::process::Command;

use crate::EXE;
use crate::check::checked;

async fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).kill_on_drop(true).output().await.expect("it is installed");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_file_becomes_a_recording_that_breaks_no_binding_rule() {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none");
    let database = plan.value("database.url").expect("a database").to_owned();
    let redis = plan.value("redis.url").expect("a Redis").to_owned();
    let stack = plan.start().await;
    let alice = stack.member("alice").await;
    let file = stack.data_dir().join("holiday.mp4");
    let path = file.to_str().expect("a path");
    let source = "testsrc2=s=640x360:r=30:d=12";
    let mut arguments =
        vec!["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", "sine=d=12"];
    arguments
        .extend(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "90", "-c:a", "aac", path]);
    run("ffmpeg", &arguments).await;
    let imported = Command::new(EXE)
        .args(["import", path, "--channel", "alice"])
        .env("RILLCAST__DATABASE__URL", &database)
        .env("RILLCAST__REDIS__URL", &redis)
        .env("RILLCAST__DATA_DIR", stack.data_dir())
        .output()
        .await
        .expect("it runs");
    let said = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert!(imported.status.success(), "{said}{}", String::from_utf8_lossy(&imported.stderr));
    let id = said.split_whitespace().next().expect("an id").to_owned();
    let vod = stack
        .until(&format!("/api/v1/vods/{id}"), Some(&alice.token), Duration::from_secs(20), |vod| {
            vod["status"] == "ready"
        })
        .await;
    assert_eq!((vod["title"].as_str(), vod["stream_id"].is_null()), (Some("holiday"), true), "{vod}");
    assert!((vod["duration_s"].as_f64().expect("a number") - 12.0).abs() < 0.05, "{vod}");
    let playlist = stack.url(&format!("/vod/{id}/index.m3u8"));
    let rules = checked(playlist.clone(), 2).await;
    assert!(rules.contains("0 MUST, 0 APPLE"), "{rules}");
    let (hls, dash) = (decode(&playlist).await, decode(&stack.url(&format!("/vod/{id}/index.mpd"))).await);
    assert_eq!((hls.video_frames, dash.video_frames), (360, 360), "every picture, either way");
    assert!(hls.errors.is_empty() && (hls.audio_duration_s - 12.0).abs() < 0.1, "{hls:?}");
    stack.stop().await;
}
