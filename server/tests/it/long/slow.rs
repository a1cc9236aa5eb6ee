//! C9: Postgres, Redis and the bucket all answer half a second late.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use testkit::proxy::Proxy;
use testkit::rtmp::Encoder;
use testkit::s3::S3Server;
use testkit::stack::{Ffmpeg, Plan, Stack, decode};
use tokio::time::{Instant, sleep};

use crate::EXE;
use crate::broadcast::ready_vod;
use crate::roles::follow;

const LATE: Duration = Duration::from_millis(500);
const PAGE_P95_MAX: Duration = Duration::from_secs(3);
/// People clicking at the same time.
const PEOPLE: usize = 4;

/// What one person's clicks took, and those that got no proper answer.
async fn click(stack: &Stack, token: &str, lasting: Duration) -> (Vec<(Duration, &'static str)>, Vec<String>) {
    let (mut took, mut failed) = (Vec::new(), Vec::new());
    let until = Instant::now() + lasting;
    let pages = ["/api/v1/streams?live=true", "/api/v1/channels/alice", "/api/v1/vods", "/api/v1/me"];
    for path in pages.iter().cycle() {
        if Instant::now() > until {
            break;
        }
        let asked = Instant::now();
        let answer = stack.send(Method::GET, path, Some(token), None).await;
        took.push((asked.elapsed(), *path));
        if answer.status != 200 {
            failed.push(format!("{path}: {} {}", answer.status, answer.text));
        }
        // Reading a page.
        sleep(Duration::from_secs(1)).await;
    }
    (took, failed)
}

#[tokio::test]
#[ignore = "two minutes"]
async fn with_everything_half_a_second_late_live_is_unaffected_and_every_page_comes() {
    let s3 = S3Server::start().await.expect("a bucket");
    let storage = s3.config();
    let plan = Plan::quick(EXE).await;
    let (postgres, database_url) = Proxy::before(plan.value("database.url").expect("one")).await;
    let (redis, redis_url) = Proxy::before(plan.value("redis.url").expect("one")).await;
    let stack = plan
        .set("database.url", &database_url)
        .set("redis.url", &redis_url)
        .set("storage.endpoint", &storage.endpoint)
        .set("storage.bucket", &storage.bucket)
        .set("storage.access_key", storage.access_key.expose())
        .set("storage.secret_key", storage.secret_key.expose())
        .set("transcoder.ladder", "none")
        .start()
        .await;
    let (alice, bob) = (stack.member("alice").await, stack.member("bob").await);
    let encoder = Ffmpeg::publish(&stack.publish_url(&alice), 300.0);
    let began = Instant::now();
    stack.until_status("alice", Some("live"), Duration::from_secs(10)).await;

    postgres.delay(LATE);
    redis.delay(LATE);
    s3.set_delay(LATE);
    let lasting = Duration::from_secs(30);
    let clicks = futures::future::join_all((0..PEOPLE).map(|_| click(&stack, &alice.token, lasting)));
    // A newcomer may be let in or sent away for now, but soon.
    let rtmp: SocketAddr =
        stack.process.rtmp.trim_start_matches("rtmp://").trim_end_matches("/live").parse().expect("one");
    let newcomer = async {
        sleep(Duration::from_secs(5)).await;
        let asked = Instant::now();
        let verdict = match Encoder::publish(rtmp, &bob.stream_key).await {
            Ok(encoder) => {
                encoder.hang_up();
                "let in".to_owned()
            }
            Err(refusal) => refusal.said().description,
        };
        (asked.elapsed(), verdict)
    };
    let (followed, clicks, (judged, verdict)) = tokio::join!(follow(stack.http(), "alice", lasting), clicks, newcomer);
    let mut took: Vec<(Duration, &str)> = clicks.iter().flat_map(|(took, _)| took.clone()).collect();
    took.sort_unstable();
    let failed: Vec<&String> = clicks.iter().flat_map(|(_, failed)| failed).collect();
    let p95 = took[took.len() * 95 / 100].0;
    println!(
        "C9: longest pause of a viewer {:?}; {} pages, median {:?}, 95 of 100 within {p95:?}, {} failed; a newcomer: {verdict}, after {judged:?}",
        followed.longest_pause(),
        took.len(),
        took[took.len() / 2].0,
        failed.len()
    );
    assert!(followed.failures.is_empty() && followed.seen.violations.is_empty(), "{:?}", followed.failures);
    assert!(followed.longest_pause() < Duration::from_millis(900), "{:?}", followed.longest_pause());
    assert!(failed.is_empty(), "{failed:?}");
    assert!(p95 < PAGE_P95_MAX, "{p95:?}");
    assert!(judged < Duration::from_secs(5) && (verdict == "let in" || verdict.contains("try again")), "{verdict}");

    encoder.stop().await;
    let delivered_s = began.elapsed().as_secs_f64();
    let vod = ready_vod(&stack, "alice", Duration::from_secs(20)).await;
    let decoded = decode(&stack.url(vod["playback"]["hls"].as_str().expect("an address"))).await;
    assert_eq!(decoded.errors, "");
    assert!(decoded.video_duration_s > delivered_s - 2.0, "{decoded:?} of {delivered_s}");
    stack.stop().await;
}
