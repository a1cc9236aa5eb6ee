//! C10: the machine's clock jumps by an hour and back, and is set back by two seconds, while a stream runs.
//!
//! libfaketime (Debian's `faketime`) lies to the process; its monotonic clock goes on as it should.

use std::path::Path;
use std::time::Duration;

use media::playlist::{parse_date_time, parse_media};
use reqwest::{Client, Method};
use serde_json::json;
use testkit::stack::{Ffmpeg, Member, Plan, Stack, decode};
use tokio::time::{Instant, sleep, timeout};

use crate::EXE;
use crate::broadcast::ready_vod;
use crate::roles::follow;

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Longest delay of a job.
const JOB_WAIT_MAX: Duration = Duration::from_secs(60);

/// A browser that keeps its cookies.
async fn sign_in(stack: &Stack, member: &Member) -> Client {
    let client = Client::builder().no_proxy().cookie_store(true).build().expect("a client");
    let body = json!({ "login": member.username, "password": member.password });
    let answer = client.post(stack.url("/api/v1/auth/login")).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    client
}

/// Whether the sign-in is still good, by its cookie.
async fn is_signed_in(stack: &Stack, client: &Client) -> bool {
    let answer = client.post(stack.url("/api/v1/auth/refresh")).header("origin", stack.http()).send().await;
    let answer = answer.expect("an answer");
    if answer.status() != 200 {
        return false;
    }
    let token = answer.json::<serde_json::Value>().await.expect("JSON")["access_token"].clone();
    let me = stack.send(Method::GET, "/api/v1/me", token.as_str(), None).await;
    me.status == 200
}

/// Somebody goes on air and their follower hears of it in time; how long that took.
async fn news(stack: &Stack, who: &str, fan: &Member, fan_browser: &Client) -> Duration {
    let member = stack.member(who).await;
    let token = {
        let answer = fan_browser.post(stack.url("/api/v1/auth/refresh")).header("origin", stack.http()).send().await;
        answer.expect("an answer").json::<serde_json::Value>().await.expect("JSON")["access_token"].clone()
    };
    let fan = Member { token: token.as_str().unwrap_or_default().to_owned(), ..fan.clone() };
    stack.follow(&fan, &member).await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&member), 300.0);
    let began = Instant::now();
    let told = |list: &serde_json::Value| {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().any(|item| item["type"] == "stream_online" && item.to_string().contains(who))
    };
    stack.until("/api/v1/notifications", Some(&fan.token), JOB_WAIT_MAX, told).await;
    let took = began.elapsed();
    encoder.stop().await;
    took
}

#[tokio::test]
#[ignore = "a minute, and needs libfaketime"]
async fn a_clock_that_jumps_moves_no_date_back_delays_no_job_and_signs_nobody_out() {
    assert!(Path::new(LIBRARY).exists(), "libfaketime is missing: ./dev tools");
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    let set = |offset: &str| {
        let fresh = folder.path().join("fresh");
        std::fs::write(&fresh, format!("{offset}\n")).expect("written");
        std::fs::rename(&fresh, &clock).expect("renamed");
    };
    set("+0");
    let stack = Plan::quick(EXE)
        .await
        .set("transcoder.ladder", "none")
        .environment("LD_PRELOAD", LIBRARY)
        .environment("FAKETIME_TIMESTAMP_FILE", &clock.display().to_string())
        .environment("FAKETIME_CACHE_DURATION", "1")
        .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .environment("DONT_FAKE_MONOTONIC", "1")
        .start()
        .await;
    let (alice, bob) = (stack.member("alice").await, stack.member("bob").await);
    let browser = sign_in(&stack, &bob).await;
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 300.0);
    let began = Instant::now();
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;

    let jumps = async {
        for (offset, who) in [("+3600", "carol"), ("-3600", "dave"), ("+0", "erin"), ("-2", "frank")] {
            sleep(Duration::from_secs(2)).await;
            set(offset);
            sleep(Duration::from_millis(2_500)).await;
            let shown = Client::new().get(stack.url("/healthz")).send().await.expect("an answer");
            println!("C10: {offset}: the process says it is {:?}", shown.headers().get("date"));
            assert!(is_signed_in(&stack, &browser).await, "nobody is signed out at {offset}");
            let took = news(&stack, who, &bob, &browser).await;
            println!("C10: {offset}: a follower hears after {took:?}");
            assert!(is_signed_in(&stack, &browser).await, "nobody is signed out at {offset}");
        }
    };
    let watched = async {
        // Longer than the jumps take; given up when they are over.
        timeout(Duration::from_secs(200), follow(stack.http(), "alice", Duration::from_secs(40)))
            .await
            .expect("in time")
    };
    let (followed, ()) = tokio::join!(watched, jumps);
    println!("C10: longest pause of a viewer {:?}", followed.longest_pause());
    assert!(followed.seen.violations.is_empty(), "{:#?}", followed.seen.violations);
    assert!(followed.failures.is_empty(), "{:?}", followed.failures);
    assert!(followed.longest_pause() < Duration::from_millis(900), "{:?}", followed.longest_pause());

    encoder.stop().await;
    let delivered_s = began.elapsed().as_secs_f64();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(20)).await;
    let told_s = vod["duration_s"].as_f64().expect("a duration");
    assert!((told_s - delivered_s).abs() < 3.0, "{told_s} s are told of {delivered_s}");
    let url = vod["playback"]["hls"].as_str().expect("an address");
    let decoded = decode(&stack.url(url)).await;
    assert_eq!(decoded.errors, "");
    assert!((decoded.video_duration_s - told_s).abs() < 0.2, "{decoded:?}");
    // No date goes back but at a discontinuity.
    let source = stack.get(&url.replace("index.m3u8", "source/index.m3u8")).await;
    let playlist = parse_media(&source.text).expect("a playlist");
    let mut last = i64::MIN;
    for segment in &playlist.segments {
        let Some(date) = segment.program_date_time.as_deref().and_then(parse_date_time) else { continue };
        assert!(date >= last || segment.is_discontinuity, "segment {} goes back", segment.msn);
        last = date;
    }
    stack.stop().await;
}
