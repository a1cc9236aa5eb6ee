//! Rillcast in real browsers; the scripts say what must hold.

use std::path::Path;
use std::time::Duration;

use testkit::clamd::Clamd;
use testkit::stack::{Plan, Stack, decode, modern_ffmpeg};
use tokio::process::Command;

use crate::EXE;

const SCRIPT_WAIT_MAX: Duration = Duration::from_secs(240);

/// Runs a script of `web/e2e` against a site and returns what it measured.
async fn script(stack: &Stack, name: &str) -> serde_json::Value {
    script_with(stack, name, &[]).await
}

/// The same, told something more.
pub async fn script_with(stack: &Stack, name: &str, told: &[(&str, &str)]) -> serde_json::Value {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
    let script = Command::new("node")
        .arg(format!("e2e/{name}.mjs"))
        .current_dir(web)
        .env("RILLCAST_URL", stack.http())
        .env("RILLCAST_RTMP", &stack.process.rtmp)
        .env("RILLCAST_MODERN_FFMPEG", modern_ffmpeg())
        .envs(told.iter().copied())
        .kill_on_drop(true)
        .output();
    let output =
        tokio::time::timeout(SCRIPT_WAIT_MAX, script).await.expect("the script ends").expect("node is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("the script prints what it measured")
}

pub async fn first_light(stack: &Stack) -> serde_json::Value {
    script(stack, "first-light").await
}

#[tokio::test]
async fn from_an_encoder_to_two_browsers_to_a_recording() {
    let stack = Plan::embedded(EXE).start().await;
    let measured = first_light(&stack).await;
    println!("measured: {measured}");
    let vod = format!("/vod/{}/index.m3u8", measured["vod"]["id"].as_str().unwrap());
    let decoded = decode(&stack.url(&vod)).await;
    assert_eq!(decoded.errors, "");
    let told = measured["vod"]["duration_s"].as_f64().unwrap();
    // The timeline of the recording has a gap-free clock although the encoder was away for a while.
    assert!(decoded.video_frames as f64 / 30.0 > told - 1.0, "{decoded:?} for {told} s");
    stack.stop().await;
}

/// Quality, rewinding, going live, keys and their switch, theatre, resuming: asked for as viewers ask, judged by what the
/// video does.
#[tokio::test]
async fn the_player_does_what_its_viewer_asks() {
    let stack = Plan::quick(EXE).await.start().await;
    let measured = script(&stack, "player").await;
    println!("measured: {measured}");
    stack.stop().await;
}

/// Chromium as systems ship it has no HEVC: it gets the same picture in H.264, live from the first moment and in the recording.
#[tokio::test]
async fn a_browser_without_hevc_plays_the_rendition_in_its_place() {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "240p").set("transcoder.cpu_budget", "8.0");
    let stack = plan.start().await;
    let measured = script(&stack, "codecs").await;
    println!("measured: {measured}");
    assert_eq!(measured["decodes_hevc"], false, "the browser is what the test is about");
    stack.stop().await;
}

/// Another size, rate, sound and codec after each loss, and a take-over: the players of those who watch go on.
#[tokio::test]
async fn an_encoder_that_comes_back_with_other_settings_stalls_no_player() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "restart").await;
    println!("measured: {measured}");
    assert_eq!(measured["changes"], 6);
    stack.stop().await;
}

/// The studio with two encoders: handing over by a click, taking it back, nobody coming, and why the last stream ended.
#[tokio::test]
async fn the_studio_hands_a_stream_over_to_the_next_encoder() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    script(&stack, "takeover").await;
    stack.stop().await;
}

/// Set in the studio, watched by a follower across a fresh token, hidden from a stranger, opened by following, closed again.
#[tokio::test]
async fn a_broadcast_for_followers_is_watched_by_followers() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "access").await;
    println!("measured: {measured}");
    stack.stop().await;
}

/// MPEG-DASH in the player most sites use for it: live, rewound, recorded.
#[tokio::test]
async fn dash_js_plays_a_broadcast_and_its_recording() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "dash").await;
    println!("measured: {measured}");
    stack.stop().await;
}

/// Appointing, a flood, a timeout by keyboard and its undoing, a filter, a warning, a ban, the shield, the log: three browsers.
#[tokio::test]
async fn a_moderators_evening() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "evening").await;
    println!("measured: {measured}");
    // And what a stranger may write in any place stays words.
    let measured = script(&stack, "words").await;
    println!("measured: {measured}");
    stack.stop().await;
}

/// Turned on with an app, asked for at the sign-in, a recovery code on a phone, turned off: by keyboard, judged by axe.
#[tokio::test]
async fn a_code_is_asked_after_the_password() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "two-factor").await;
    assert_eq!(measured["codes"], 10);
    stack.stop().await;
}

/// By keyboard to a channel, everything that fits, what was looked for before, private things, a phone, no line: judged by axe.
#[tokio::test]
async fn whoever_searches_finds_what_is_for_them() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "search").await;
    println!("measured: {measured}");
    assert!(measured["indexed_ms"].as_u64().unwrap() < 5_000, "a recording is found soon after it has begun");
    stack.stop().await;
}

/// A token made, shown once, listened with, ended; by a member, and by the program that has it.
#[tokio::test]
async fn a_program_has_a_token_of_its_own() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "api-tokens").await;
    println!("measured: {measured}");
    assert!(measured["end_ms"].as_u64().unwrap() < 4_000, "an open feed ends with its token");
    stack.stop().await;
}

/// A server of a broadcaster's own: made, tried, verified, failing, sent to again, with a new key, deleted.
#[tokio::test]
async fn a_broadcasters_own_server_is_told() {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none").set("outward.allow", "127.0.0.0/8");
    let stack = plan.start().await;
    let measured = script(&stack, "webhooks").await;
    println!("measured: {measured}");
    stack.stop().await;
}

/// A file cut off by the line and by a reload, a picture, folders, the trash, a stranger with a link: by keyboard and on a phone.
#[tokio::test]
async fn a_members_files_arrive_and_are_kept() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").set("files.unscanned", "true").start().await;
    let measured = script(&stack, "files").await;
    assert_eq!(measured["asked"], serde_json::json!(["beforeunload"]));
    stack.stop().await;
}

/// 200 MB that lose the line and the page on their way, past a scanner, to a recording that plays; and what the scanner refuses.
#[tokio::test]
async fn a_film_of_200_mb_arrives_is_scanned_and_plays() {
    let clamd = Clamd::start_with_stream_mib(300);
    let folder = tempfile::tempdir().unwrap();
    let film = film_of_200_mb(folder.path()).await;
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none");
    let plan = plan.set("scan.clamd", &clamd.address()).set("scan.stream_mib_max", "300");
    let stack = plan.start().await;
    let measured = script_with(&stack, "film", &[("RILLCAST_FILM", &film)]).await;
    println!("measured: {measured}");
    stack.stop().await;
}

/// A minute or so of H.264 and AAC: ten seconds of noise, which no encoder makes small, over and over.
async fn film_of_200_mb(folder: &Path) -> String {
    let (once, film) = (folder.join("once.mp4"), folder.join("the-long-film.mp4"));
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=1280x720:rate=25",
            "-f",
            "lavfi",
            "-i",
            "sine",
            "-t",
            "10",
        ])
        .args(["-vf", "noise=alls=60:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-b:v", "24M"])
        .args([
            "-maxrate",
            "24M",
            "-bufsize",
            "24M",
            "-x264-params",
            "nal-hrd=cbr",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
        ])
        .arg(&once)
        .status()
        .await
        .expect("ffmpeg is installed");
    assert!(made.success(), "ffmpeg: {made}");
    let rounds = 200_000_000 / std::fs::metadata(&once).unwrap().len();
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-stream_loop", &rounds.to_string(), "-i"])
        .arg(&once)
        .args(["-c", "copy"])
        .arg(&film)
        .status()
        .await
        .expect("ffmpeg is installed");
    assert!(made.success(), "ffmpeg: {made}");
    film.display().to_string()
}

/// A plan bought, proven with a picture and approved by an administrator elsewhere: the page follows, the bell rings, there is more room.
#[tokio::test]
async fn a_plan_is_paid_for_by_hand() {
    let plan = Plan::quick(EXE).await.set("transcoder.ladder", "none");
    let plan = plan.set("payments.bank_bin", "970415").set("payments.bank_account", "0011001932418");
    let stack = plan.start().await;
    let password = stack.process.admin_password().expect("the first administrator's");
    let measured = script_with(&stack, "plans", &[("RILLCAST_ADMIN_PASSWORD", &password)]).await;
    println!("measured: {measured}");
    assert!(measured["approved_ms"].as_u64().unwrap() <= 5_000);
    stack.stop().await;
}

/// A picture behind a password, a folder, an end that comes and one that is said: for people without an account, judged by axe.
#[tokio::test]
async fn what_is_shared_opens_without_an_account_until_it_is_taken_back() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").set("files.unscanned", "true").start().await;
    let measured = script(&stack, "share").await;
    assert_eq!(measured["log"], serde_json::json!(["granted", "wrong_password"]), "a reload is no visit");
    stack.stop().await;
}

/// Friends, a conversation, a group, what waits unread, who is there, what is found again, a block: three members, two tabs of one.
#[tokio::test]
async fn three_members_in_their_rooms() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "rooms").await;
    println!("measured: {measured}");
    assert!(measured["away_ms"].as_u64().unwrap() <= 5_000);
    stack.stop().await;
}

/// Clips of a broadcast and of its recording: made by keyboard, watched to their end, looped, shared, listed, taken back.
#[tokio::test]
async fn clips_begin_and_end_where_they_should() {
    let stack = Plan::quick(EXE).await.set("transcoder.ladder", "none").start().await;
    let measured = script(&stack, "clips").await;
    println!("measured: {measured}");
    stack.stop().await;
}
