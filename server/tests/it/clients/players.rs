//! Players that are not ours, for a few seconds each. Judged by the pictures that leave their demuxers and decoders.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use testkit::stack::{Stack, modern_ffmpeg};
use tokio::process::Command;
use tokio::time::timeout;

use crate::browser::script_with;

/// Longest a player may take for its few seconds.
const PLAYER_WAIT_MAX: Duration = Duration::from_secs(60);
/// Two seconds of the slowest stream.
const PICTURES_MIN: u64 = 40;

/// Everybody in turn; what each showed, `NOTHING` where that is too little.
pub async fn all(stack: &Stack, what: &str, path: &str) -> Vec<String> {
    let url = stack.url(path);
    let shown = [
        ("ffmpeg 5", ffmpeg(Path::new("ffmpeg"), &url, 4).await),
        ("ffmpeg of today", ffmpeg(&modern_ffmpeg(), &url, 4).await),
        ("GStreamer", gstreamer(&url).await),
        ("VLC", vlc(&url).await),
        ("hls.js", hls_js(stack, &url).await),
    ];
    let line = |(player, pictures): (&str, u64)| {
        let verdict = if pictures >= PICTURES_MIN { "shows" } else { "shows NOTHING:" };
        format!("{what}: {player} {verdict} {pictures} pictures")
    };
    shown.map(line).into()
}

pub async fn ffmpeg_frames(url: &str, seconds: u32) -> u64 {
    ffmpeg(Path::new("ffmpeg"), url, seconds).await
}

/// What a command printed, whatever its end.
async fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PLAYER_WAIT_MAX, output).await.expect("it ends").expect("it is installed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn ffmpeg(program: &Path, url: &str, seconds: u32) -> u64 {
    let mut command = Command::new(program);
    command.args(["-v", "error", "-nostdin", "-i", url, "-t", &seconds.to_string(), "-map", "0:v:0"]);
    command.args(["-f", "null", "-progress", "-", "-"]);
    let told = said(&mut command).await;
    let last = told.lines().filter_map(|line| line.strip_prefix("frame=")).next_back();
    last.and_then(|frames| frames.trim().parse().ok()).unwrap_or(0)
}

async fn gstreamer(url: &str) -> u64 {
    let location = format!("location={url}");
    let pipeline =
        "hlsdemux ! qtdemux ! h264parse ! avdec_h264 ! identity name=count silent=false ! fakesink sync=false";
    // A running stream has no end: after so long it is asked to go.
    let mut command = Command::new("timeout");
    command.args(["-s", "INT", "10", "gst-launch-1.0", "-v", "souphttpsrc", &location, "!"]);
    command.args(pipeline.split_whitespace());
    let told = said(&mut command).await;
    told.lines().filter(|line| line.contains("count") && line.contains("chain")).count() as u64
}

/// VLC repacks what it demuxes for some seconds; how much of that decodes is counted. It does not run as root.
async fn vlc(url: &str) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).expect("a folder for everybody");
    let file = folder.path().join("seen.ts");
    let output = format!("#standard{{access=file,mux=ts,dst={}}}", file.display());
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "timeout", "30", "cvlc", "-I", "dummy"]);
    command.args([url, "--sout", &output, "--run-time", "6", "vlc://quit"]).env("HOME", folder.path());
    said(&mut command).await;
    ffmpeg(Path::new("ffmpeg"), &file.display().to_string(), 60).await
}

async fn hls_js(stack: &Stack, url: &str) -> u64 {
    let told = script_with(stack, "hls", &[("RILLCAST_PLAY", url)]).await;
    told["frames"].as_u64().unwrap_or(0)
}
