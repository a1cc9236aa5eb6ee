//! Minutes of streams: two writers, gaps, days that are left of them.

use db::analytics::{self, Audience, HostCount, Sample, Tally};
use domain::{StreamId, Timestamp, UserId};
use serde_json::{Value, json};
use testkit::services::{self, DatabaseGuard};

struct Site {
    pool: db::Pool,
    channel: UserId,
    _database: DatabaseGuard,
}

impl Site {
    async fn start() -> Self {
        let (url, database) = services::database().await;
        let pool = db::testing::pool(&url).unwrap();
        let channel = db::testing::add_channel(&pool, "alice", &kit::ids::random_bytes()).await.unwrap();
        Self { pool, channel, _database: database }
    }

    async fn stream(&self, started_at: &str, ended_at: Option<&str>) -> StreamId {
        let stream = StreamId::from_uuid(kit::ids::uuid());
        let (status, ended) = match ended_at {
            Some(at) => ("ended", format!("'{at}'")),
            None => ("live", "NULL".to_owned()),
        };
        self.execute(&format!(
            "INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at, ended_at)
             VALUES ('{stream}', '{}', 'a stream', '{status}', 'n', '{started_at}', {ended})",
            self.channel
        ))
        .await;
        stream
    }

    async fn execute(&self, statements: &str) {
        db::testing::execute(&self.pool, statements).await.unwrap();
    }

    async fn rows(&self, query: &str) -> Vec<Value> {
        db::testing::rows(&self.pool, query).await.unwrap()
    }

    async fn conn(&self) -> impl std::ops::DerefMut<Target = db::Conn> + use<> {
        self.pool.acquire().await.unwrap()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn sample(stream: StreamId, viewers: u64, sockets: Option<u64>) -> Sample {
    Sample { stream, viewers, players: None, sockets }
}

#[tokio::test]
async fn of_two_writers_the_greater_number_holds_and_what_nobody_knows_stays_unknown() {
    let site = Site::start().await;
    let stream = site.stream("2026-11-22T10:00:10Z", None).await;
    let gone = StreamId::from_uuid(kit::ids::uuid());
    let mut conn = site.conn().await;
    let minute = at("2026-11-22T10:01:00Z");
    analytics::note(&mut conn, minute, &[sample(stream, 5, None), sample(gone, 1, None)]).await.unwrap();
    analytics::note(&mut conn, minute, &[sample(stream, 3, Some(4))]).await.unwrap();
    let rows = site.rows("SELECT viewers, players, sockets, lines, follows FROM stream_minutes").await;
    assert_eq!(rows, [json!({"viewers": 5, "players": null, "sockets": 4, "lines": null, "follows": null})]);
}

#[tokio::test]
async fn lines_and_follows_are_of_whole_minutes_on_air() {
    let site = Site::start().await;
    let stream = site.stream("2026-11-22T10:00:30Z", Some("2026-11-22T10:02:20Z")).await;
    for (name, at) in [("bob", "10:00:10"), ("carl", "10:00:40"), ("dora", "10:02:10"), ("eve", "10:02:30")] {
        let follower = db::testing::add_channel(&site.pool, name, &kit::ids::random_bytes()).await.unwrap();
        site.execute(&format!(
            "INSERT INTO follows (channel_id, follower_id, created_at) VALUES ('{}', '{follower}', '2026-11-22T{at}Z')",
            site.channel
        ))
        .await;
    }
    let tallies = [
        Tally { minute: at("2026-11-22T10:03:00Z"), lines: Some(vec![(stream, 9)]) },
        Tally { minute: at("2026-11-22T10:02:00Z"), lines: None },
        Tally { minute: at("2026-11-22T10:01:00Z"), lines: Some(Vec::new()) },
        Tally { minute: at("2026-11-22T10:00:00Z"), lines: Some(vec![(stream, 2)]) },
    ];
    let mut conn = site.conn().await;
    for _twice in 0..2 {
        analytics::tally(&mut conn, &tallies, 10).await.unwrap();
    }
    let rows = site
        .rows("SELECT to_char(minute AT TIME ZONE 'UTC', 'MI') AS m, viewers, lines, follows FROM stream_minutes ORDER BY 1")
        .await;
    assert_eq!(
        rows,
        [
            json!({"m": "00", "viewers": null, "lines": 2, "follows": 1}),
            json!({"m": "01", "viewers": null, "lines": 0, "follows": 0}),
            json!({"m": "02", "viewers": null, "lines": null, "follows": 1}),
        ],
        "before it began, after its end and once more nothing is counted"
    );
}

#[tokio::test]
async fn old_minutes_become_days_once_whoever_does_it_and_however_often() {
    let site = Site::start().await;
    let stream = site.stream("2026-01-01T23:58:00Z", Some("2026-01-02T00:03:00Z")).await;
    site.execute(&format!(
        "INSERT INTO stream_minutes (stream_id, minute, viewers, lines, follows) VALUES
         ('{stream}', '2026-01-01T23:58:00Z', 4, 1, 0), ('{stream}', '2026-01-01T23:59:00Z', NULL, NULL, 2),
         ('{stream}', '2026-01-02T00:00:00Z', 6, NULL, 0), ('{stream}', '2026-01-02T00:01:00Z', 8, NULL, 1),
         ('{stream}', date_trunc('minute', now(), 'UTC'), 1, 1, 1)"
    ))
    .await;
    let totals = "SELECT (stream_totals(stream_id)).* FROM streams";
    let before = site.rows(totals).await;
    let (mut one, mut other) = (site.conn().await, site.conn().await);
    let (first, second) = tokio::join!(analytics::thin(&mut one, 30), analytics::thin(&mut other, 30));
    assert_eq!(first.unwrap() + second.unwrap(), 4);
    assert_eq!(analytics::thin(&mut one, 30).await.unwrap(), 0);
    let days = site
        .rows("SELECT day, minutes, counted, viewer_minutes, peak, lines, follows FROM stream_days ORDER BY day")
        .await;
    assert_eq!(
        days,
        [
            json!({"day": "2026-01-01", "minutes": 2, "counted": 1, "viewer_minutes": 4, "peak": 4, "lines": 1, "follows": 2}),
            json!({"day": "2026-01-02", "minutes": 2, "counted": 2, "viewer_minutes": 14, "peak": 8, "lines": null, "follows": 1}),
        ]
    );
    assert_eq!(site.rows(totals).await, before, "no sum changes");
    let listed = analytics::days(&mut one, site.channel, "2025-12-31".parse().unwrap(), "2026-01-02".parse().unwrap());
    let listed: Vec<(i64, i64)> =
        listed.await.unwrap().into_iter().map(|day| (day.minutes, day.viewer_minutes)).collect();
    assert_eq!(listed, [(0, 0), (2, 4), (2, 14)]);
}

#[tokio::test]
async fn an_audience_is_written_once_after_the_last_minute_was_counted() {
    let site = Site::start().await;
    let fresh = site.stream("2026-01-01T00:00:00Z", Some("2026-01-01T01:00:00Z")).await;
    let lost = site.stream("2026-01-02T00:00:00Z", Some("2026-01-02T01:00:00Z")).await;
    site.stream("2026-01-03T00:00:00Z", None).await;
    let mut conn = site.conn().await;
    site.execute(&format!("UPDATE streams SET ended_at = now() WHERE stream_id = '{fresh}'")).await;
    assert_eq!(analytics::unclosed(&mut conn, 10).await.unwrap(), [], "just over, long over, on air");
    site.execute("UPDATE streams SET ended_at = now() - interval '5 minutes' WHERE status = 'ended'").await;
    assert_eq!(analytics::unclosed(&mut conn, 10).await.unwrap().len(), 2);
    let audience = Audience {
        viewers: 9,
        pages: 5,
        embeds: 2,
        players: 2,
        hosts: vec![HostCount { host: "blog.example".to_owned(), viewers: 3 }],
        others: 1,
    };
    assert!(analytics::close(&mut conn, fresh, Some(&audience)).await.unwrap());
    assert!(!analytics::close(&mut conn, fresh, None).await.unwrap(), "what is written stays");
    assert!(analytics::close(&mut conn, lost, None).await.unwrap());
    assert_eq!(analytics::unclosed(&mut conn, 10).await.unwrap(), []);
    assert_eq!(analytics::head(&mut conn, fresh).await.unwrap().unwrap().audience, Some(audience.clone()));
    assert_eq!(analytics::head(&mut conn, lost).await.unwrap().unwrap().audience, None);
    let range = ("2026-01-01".parse().unwrap(), "2026-01-02".parse().unwrap());
    let reached = analytics::reached(&mut conn, site.channel, range, 10).await.unwrap();
    assert_eq!((reached.known, reached.unknown), (1, 1));
    assert_eq!(reached.audience, audience);
    let cut = analytics::reached(&mut conn, site.channel, range, 0).await.unwrap();
    assert_eq!(cut.audience.hosts, []);
}
