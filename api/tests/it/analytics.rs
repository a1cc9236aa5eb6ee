//! Who watched: sums and gaps, the days before, tables as CSV, and who may ask.

use live::audience::{Audience, Way};
use serde_json::{Value, json};

use crate::harness::{Member, Site};

/// A stream with minutes, `(minute, viewers, lines)`; returns its id.
async fn stream(
    site: &Site,
    owner: &Member,
    title: &str,
    span: (&str, Option<&str>),
    minutes: &[(&str, &str, &str)],
) -> String {
    let id = kit::ids::uuid().to_string();
    let (status, ended) = match span.1 {
        Some(at) => ("ended", format!("'{at}'")),
        None => ("live", "NULL".to_owned()),
    };
    let title = title.replace('\'', "''");
    site.sql(&format!(
        "INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at, ended_at, peak_viewers)
         VALUES ('{id}', '{}', '{title}', '{status}', 'n', '{}', {ended}, 12)",
        owner.id, span.0
    ))
    .await;
    for (minute, viewers, lines) in minutes {
        site.sql(&format!(
            "INSERT INTO stream_minutes (stream_id, minute, viewers, players, sockets, lines, follows)
             VALUES ('{id}', '{minute}', {viewers}, NULL, 3, {lines}, 1)"
        ))
        .await;
    }
    id
}

/// Two streams on two days, one of them with a minute nobody counted.
async fn evening(site: &Site, owner: &Member) -> (String, String) {
    let first = stream(
        site,
        owner,
        "=HYPERLINK(\"http://evil.example\")",
        ("2026-03-10T23:58:30Z", Some("2026-03-11T00:01:10Z")),
        &[
            ("2026-03-10T23:58:00Z", "4", "2"),
            ("2026-03-10T23:59:00Z", "NULL", "NULL"),
            ("2026-03-11T00:01:00Z", "10", "3"),
        ],
    )
    .await;
    let second = stream(
        site,
        owner,
        "Quiet, \"very\" quiet",
        ("2026-03-12T10:00:00Z", Some("2026-03-12T10:01:30Z")),
        &[("2026-03-12T10:00:00Z", "0", "0"), ("2026-03-12T10:01:00Z", "2", "NULL")],
    )
    .await;
    site.sql(&format!(
        "INSERT INTO stream_audiences (stream_id, viewers, pages, embeds, players, hosts, others)
         VALUES ('{first}', 20, 12, 5, 3, '[{{\"host\": \"blog.example\", \"viewers\": 4}}]', 1),
                ('{second}', NULL, NULL, NULL, NULL, '[]', 0)"
    ))
    .await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_has_sums_days_streams_and_the_days_before_it() {
    let site = Site::start().await;
    let (owner, fan) = (site.register("owner").await, site.register("fan").await);
    let (first, second) = evening(&site, &owner).await;
    site.sql(&format!(
        "INSERT INTO follows (channel_id, follower_id, created_at) VALUES ('{}', '{}', '2026-03-11T12:00:00Z')",
        owner.id, fan.id
    ))
    .await;
    let answer = site.get("/api/v1/me/analytics?from=2026-03-11&to=2026-03-13").bearer(&owner.token).send().await;
    let found = answer.expect(200).json;
    let days = found["range"]["days"].as_array().expect("days");
    let day = |i: usize, field: &str| days[i][field].clone();
    assert_eq!(days.len(), 3);
    assert_eq!(
        (day(0, "date"), day(0, "watch_s"), day(0, "peak_viewers")),
        (json!("2026-03-11"), json!(600), json!(10))
    );
    assert_eq!((day(0, "new_followers"), day(0, "chat_lines")), (json!(1), json!(3)));
    assert_eq!((day(1, "on_air_s"), day(1, "average_viewers")), (json!(120), json!(1.0)));
    assert_eq!((day(2, "on_air_s"), day(2, "peak_viewers"), day(2, "watch_s")), (json!(0), Value::Null, json!(0)));
    let totals = &found["range"]["totals"];
    assert_eq!((&totals["watch_s"], &totals["streams"], &totals["peak_viewers"]), (&json!(720), &json!(1), &json!(12)));
    assert_eq!((&totals["unique_viewers"], &totals["unique_unknown"]), (&Value::Null, &json!(1)), "not zero: unknown");
    let before = &found["before"];
    assert_eq!((&before["from"], &before["to"]), (&json!("2026-03-08"), &json!("2026-03-10")));
    assert_eq!(before["totals"]["unique_viewers"], 20);
    assert_eq!((&before["totals"]["watch_s"], &before["totals"]["uncounted_s"]), (&json!(240), &json!(60)));
    assert_eq!(found["streams"].as_array().expect("streams").len(), 1);
    assert_eq!(found["streams"][0]["id"], json!(second));

    let whole = site.get("/api/v1/me/analytics?from=2026-03-10&to=2026-03-12").bearer(&owner.token).send().await;
    let whole = whole.expect(200).json;
    assert_eq!(whole["sources"]["hosts"], json!([{"host": "blog.example", "viewers": 4}]));
    assert_eq!((&whole["sources"]["embeds"], &whole["sources"]["others"]), (&json!(5), &json!(1)));
    let of_first = &whole["streams"][1];
    assert_eq!((&of_first["id"], &of_first["totals"]["watch_s"]), (&json!(first), &json!(840)));
    assert_eq!((&of_first["totals"]["chat_lines"], &of_first["totals"]["unique_viewers"]), (&json!(5), &json!(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_left_of_old_minutes_count_as_the_minutes_did() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let (first, _) = evening(&site, &owner).await;
    let ask = async || {
        let mut found = site
            .get("/api/v1/me/analytics?from=2026-03-09&to=2026-03-13")
            .bearer(&owner.token)
            .send()
            .await
            .expect(200)
            .json;
        found["streams"].take();
        found
    };
    let before = ask().await;
    let mut conn = site.pool.acquire().await.expect("connected");
    assert_eq!(db::analytics::thin(&mut conn, 30).await.expect("thinned"), 5);
    assert_eq!(ask().await, before);
    let one = site.get(&format!("/api/v1/me/analytics/streams/{first}")).bearer(&owner.token).send().await.expect(200);
    assert_eq!((&one.json["is_thinned"], &one.json["items"]), (&json!(true), &json!([])));
    assert_eq!(one.json["stream"]["totals"]["watch_s"], 840);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_told_minute_by_minute_and_a_gap_is_null() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let (first, _) = evening(&site, &owner).await;
    let found = site.get(&format!("/api/v1/me/analytics/streams/{first}")).bearer(&owner.token).send().await;
    let found = found.expect(200).json;
    let viewers: Vec<&Value> = found["items"].as_array().expect("items").iter().map(|item| &item["viewers"]).collect();
    assert_eq!(viewers, [&json!(4), &Value::Null, &Value::Null, &json!(10)], "uncounted, and not written at all");
    assert_eq!((&found["step_minutes"], &found["is_live"]), (&json!(1), &json!(false)));
    assert_eq!(found["items"][0]["connections"], 3);
    assert_eq!(found["sources"]["players"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_on_air_tells_whom_it_has_reached_so_far() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let id = stream(&site, &owner, "Now", ("2026-03-10T10:00:00Z", None), &[]).await;
    site.sql("UPDATE streams SET started_at = now() - interval '3 minutes'").await;
    let path = format!("/api/v1/me/analytics/streams/{id}");
    let nobody = site.get(&path).bearer(&owner.token).send().await.expect(200).json;
    assert_eq!((&nobody["is_live"], &nobody["sources"], &nobody["items"]), (&json!(true), &Value::Null, &json!([])));
    let audience = Audience::new(site.live.clone(), "test");
    let viewers: Vec<std::sync::Arc<str>> = vec!["a".into(), "b".into()];
    assert!(audience.note(id.parse().expect("an id"), Way::Embed, Some("blog.example"), &viewers).await);
    let found = site.get(&path).bearer(&owner.token).send().await.expect(200).json;
    assert_eq!((&found["sources"]["embeds"], &found["stream"]["totals"]["unique_viewers"]), (&json!(2), &json!(2)));
    assert_eq!(found["sources"]["hosts"][0], json!({"host": "blog.example", "viewers": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_is_its_owners_and_the_administrators() {
    let site = Site::start().await;
    let (owner, other) = (site.register("owner").await, site.register("other").await);
    let (moderator, admin) = (site.register_as("marta", "moderator").await, site.register_as("boss", "admin").await);
    site.sql(&format!("INSERT INTO channel_moderators (channel_id, user_id) VALUES ('{}', '{}')", owner.id, other.id))
        .await;
    let (first, _) = evening(&site, &owner).await;
    let path = format!("/api/v1/me/analytics/streams/{first}");
    for member in [&other, &moderator] {
        let refused = site.get(&path).bearer(&member.token).send().await.refused(404, "stream.not-found");
        let nowhere = format!("/api/v1/me/analytics/streams/{}", kit::ids::uuid());
        let nothing = site.get(&nowhere).bearer(&member.token).send().await.refused(404, "stream.not-found");
        assert_eq!(refused.json["detail"], nothing.json["detail"]);
        let csv = site.get(&format!("{path}?format=csv")).bearer(&member.token).send().await;
        csv.refused(404, "stream.not-found");
        let mine = site.get("/api/v1/me/analytics?from=2026-03-10&to=2026-03-12").bearer(&member.token).send().await;
        assert_eq!(mine.expect(200).json["range"]["totals"]["watch_s"], 0);
    }
    site.get(&path).bearer(&admin.token).send().await.expect(200);
    site.get(&path).send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_come_as_csv_that_no_spreadsheet_runs() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let (first, second) = evening(&site, &owner).await;
    let ask = async |query: &str| {
        site.get(&format!("/api/v1/me/analytics?from=2026-03-10&to=2026-03-12{query}"))
            .bearer(&owner.token)
            .header("accept", "text/csv")
            .send()
            .await
            .expect(200)
    };
    let days = ask("").await;
    assert_eq!(days.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(days.header("content-disposition"), "attachment; filename=\"analytics-days-2026-03-10-2026-03-12.csv\"");
    assert_eq!(days.header("cache-control"), "no-store");
    let text = days.text();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[1], "2026-03-10,120,60,240,4,4,2,0");
    assert_eq!(lines.len(), 5, "a header, three days and the last line's end");
    let streams = ask("&table=streams").await.text();
    assert!(streams.contains("\"'=HYPERLINK(\"\"http://evil.example\"\")\""), "{streams}");
    assert!(streams.contains("\"Quiet, \"\"very\"\" quiet\""), "{streams}");
    assert!(streams.contains(&format!("\r\n{second},")), "{streams}");
    let sources = ask("&table=sources&format=csv").await.text();
    assert!(sources.contains("host,blog.example,4\r\nother-hosts,,1\r\n"), "{sources}");
    let json = ask("&format=json").await;
    assert_eq!(json.header("content-type"), "application/json", "the query's word counts");
    let path = format!("/api/v1/me/analytics/streams/{first}?format=csv");
    let minutes = site.get(&path).bearer(&owner.token).send().await.expect(200).text();
    assert!(
        minutes.starts_with(
            "at,viewers,players,connections,chat_lines,new_followers\r\n2026-03-10T23:58:00Z,4,,3,2,1\r\n"
        )
    );
    assert!(minutes.contains("\r\n2026-03-11T00:00:00Z,,,,,\r\n"), "{minutes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_questions_have_an_end() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let ask = async |query: &str| site.get(&format!("/api/v1/me/analytics?{query}")).bearer(&owner.token).send().await;
    for bad in ["from=2024-01-01&to=2025-01-01", "from=2026-02-02&to=2026-02-01", "from=1969-12-31&to=1970-01-01"] {
        ask(bad).await.refused(422, "request.invalid");
    }
    for bad in ["from=yesterday", "to=%2B100000-01-01", "format=xml"] {
        assert!(ask(bad).await.status.is_client_error(), "{bad}");
    }
    assert_eq!(
        ask("from=2024-01-01&to=2024-12-31").await.expect(200).json["range"]["days"].as_array().expect("days").len(),
        366
    );
    assert_eq!(ask("").await.expect(200).json["range"]["days"].as_array().expect("days").len(), 28);
    let mut allowed = 0;
    let refused = loop {
        let answer = ask("").await;
        if answer.status != 200 {
            break answer;
        }
        allowed += 1;
        assert!(allowed < 200, "never refused");
    };
    let refused = refused.refused(429, "analytics.throttled");
    assert!(!refused.header("retry-after").is_empty());
}
