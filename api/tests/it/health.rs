//! How a stream's media arrives: who may ask, from when on, in which steps, and what is dropped after seven days.

use chrono::TimeDelta;
use db::health::Stretch;
use domain::ingest::{IngestIssue, IngestSample, IngestVerdict, Severity};
use domain::{StreamId, UserId};
use live::health::News;

use crate::harness::{Setup, Site};

fn sample(ago_s: i64, verdict: IngestVerdict) -> IngestSample {
    IngestSample { verdict, fps: 30.0, ..IngestSample::no_data(kit::clock::now() - TimeDelta::seconds(ago_s), 1) }
}

/// Stores one stretch of ten seconds that begins so long ago, with one bad second in it when asked for.
async fn store(site: &Site, stream: &str, ago_s: i64, is_bad: bool) {
    let samples = (0..10)
        .map(|second| {
            let verdict = if is_bad && second == 4 { IngestVerdict::Bad } else { IngestVerdict::Good };
            let mut sample = sample(ago_s - second, verdict);
            if verdict == IngestVerdict::Bad {
                sample.issues.add(IngestIssue::ServerQueue, Severity::Error);
            }
            sample
        })
        .collect();
    let stretch = Stretch { stream: stream.parse().expect("an id"), samples };
    let mut conn = site.pool.acquire().await.expect("connected");
    db::health::insert(&mut conn, std::slice::from_ref(&stretch)).await.expect("stored");
    db::health::insert(&mut conn, &[stretch]).await.expect("twice is once");
}

async fn tell(site: &Site, owner: &str, stream: &str, sample: IngestSample) {
    let (channel, stream): (UserId, StreamId) = (owner.parse().expect("an id"), stream.parse().expect("an id"));
    live::health::tell(&site.live, &[News { channel, stream, sample }]).await.expect("told");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broadcaster_and_moderators_see_it_and_for_others_there_is_nothing() {
    let site = Site::start().await;
    let (owner, other) = (site.register("owner").await, site.register("other").await);
    let staff = site.register_as("modd", "moderator").await;
    let none = site.get("/api/v1/me/stream/health").bearer(&other.token).send().await.expect(200);
    assert!(none.json["stream_id"].is_null() && none.json["verdict"] == "noData", "{}", none.json);

    let (stream, _) = site.stream(&owner, "Show", "live", "recording").await;
    store(&site, &stream, 30, true).await;
    tell(&site, &owner.id, &stream, sample(0, IngestVerdict::Ok)).await;
    let path = format!("/api/v1/streams/{stream}/health");
    for (path, token) in
        [(&path, &owner.token), (&path, &staff.token), (&"/api/v1/me/stream/health".to_owned(), &owner.token)]
    {
        let health = site.get(path).bearer(token).send().await.expect(200).json;
        assert_eq!((health["stream_id"].as_str(), health["verdict"].as_str()), (Some(&*stream), Some("ok")));
        let items = health["items"].as_array().expect("a list");
        assert_eq!((items.len(), health["step_s"].as_i64()), (10, Some(1)), "{health}");
        assert_eq!(items[4]["issues"][0]["type"], "serverQueue");
        assert!(items[0]["keyframe_ms"].is_null() && items[0]["fps"] == 30.0, "{}", items[0]);
    }
    site.get(&path).bearer(&other.token).send().await.refused(404, "stream.not-found");
    site.get(&path).send().await.refused(401, "auth.required");
    for minutes in ["0", "10081", "-1", "x"] {
        let asked = format!("{path}?minutes={minutes}");
        site.get(&asked).bearer(&owner.token).send().await.refused(422, "request.invalid");
    }
    site.get("/api/v1/streams/0190a0c0-0000-7000-8000-000000000000/health")
        .bearer(&owner.token)
        .send()
        .await
        .refused(404, "stream.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_is_old_or_of_a_lost_connection_is_no_data() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let (stream, _) = site.stream(&owner, "Show", "live", "recording").await;
    let verdict = async || {
        let health = site.get("/api/v1/me/stream/health").bearer(&owner.token).send().await.expect(200).json;
        health["verdict"].as_str().map(str::to_owned)
    };
    assert_eq!(verdict().await.as_deref(), Some("noData"), "nothing was told yet");
    tell(&site, &owner.id, &stream, sample(0, IngestVerdict::Good)).await;
    assert_eq!(verdict().await.as_deref(), Some("good"));
    tell(&site, &owner.id, &stream, sample(8, IngestVerdict::Good)).await;
    assert_eq!(verdict().await.as_deref(), Some("noData"), "eight seconds ago is not now");
    tell(&site, &owner.id, &stream, sample(0, IngestVerdict::Good)).await;
    site.sql("UPDATE streams SET status = 'reconnecting', reconnect_until = now() + interval '1 minute'").await;
    assert_eq!(verdict().await.as_deref(), Some("noData"), "whoever reconnects sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_stored_second_speaks_while_it_is_young() {
    let mut setup = Setup::new();
    setup.redis_url = Some("redis://127.0.0.1:1".to_owned());
    let site = setup.start().await;
    let owner = site.register("owner").await;
    let (stream, _) = site.stream(&owner, "Show", "live", "recording").await;
    store(&site, &stream, 12, false).await;
    let health = site.get("/api/v1/me/stream/health").bearer(&owner.token).send().await.expect(200).json;
    assert_eq!(health["verdict"], "good", "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_ranges_come_in_steps_that_keep_the_worst_and_an_ended_stream_counts_from_its_end() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let (stream, _) = site.stream(&owner, "Show", "ended", "ready").await;
    site.sql("UPDATE streams SET ended_at = now() - interval '3 hours'").await;
    let three_hours = 3 * 3_600;
    for ten in 0..30 {
        store(&site, &stream, three_hours + 300 - ten * 10, ten == 11).await;
    }
    let health = async |minutes: u32| {
        let path = format!("/api/v1/streams/{stream}/health?minutes={minutes}");
        site.get(&path).bearer(&owner.token).send().await.expect(200).json
    };
    let short = health(2).await;
    assert!((118..=120).contains(&short["items"].as_array().expect("a list").len()), "{short}");
    let week = health(7 * 24 * 60).await;
    let items = week["items"].as_array().expect("a list");
    assert_eq!((week["step_s"].as_i64(), week["verdict"].as_str()), (Some(170), Some("noData")));
    assert!((2..=3).contains(&items.len()), "five minutes in steps of 170 s: {week}");
    let bad: Vec<_> = items.iter().filter(|item| item["verdict"] == "bad").collect();
    assert_eq!(bad.len(), 1, "the worst ten seconds of a step stand for it: {week}");
    assert_eq!(bad[0]["issues"][0]["type"], "serverQueue");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_seven_days_it_is_gone() {
    let day = 86_400;
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let (stream, _) = site.stream(&owner, "Show", "ended", "ready").await;
    store(&site, &stream, 7 * day + 60, false).await;
    store(&site, &stream, 7 * day - 600, false).await;
    let mut conn = site.pool.acquire().await.expect("connected");
    assert_eq!(db::health::prune(&mut conn).await.expect("pruned"), 1);
    assert_eq!(site.rows("SELECT 1 AS one FROM ingest_health").await.len(), 1);
    assert_eq!(db::health::prune(&mut conn).await.expect("pruned"), 0);
}
