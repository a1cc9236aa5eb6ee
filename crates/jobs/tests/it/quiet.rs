//! Quiet hours and collected mail: what waits, until when, and what becomes of it. The moments of the rules are given ones; what waits is
//! made due by hand.

use std::time::Duration;

use domain::event::Event;
use domain::quiet::{Digest, Every, QuietHours};
use serde_json::Value;

use crate::mail::{self, MailServer};
use crate::push::{Service, subscribe};
use crate::{OPEN_JOBS, Site, WAITING, online};

const WITHIN: Duration = Duration::from_secs(15);
const HELD_PUSHES: &str = "SELECT count(*)::bigint AS n FROM push_deliveries WHERE batch_id IS NULL";
const HELD_MAILS: &str = "SELECT count(*)::bigint AS n FROM mail_deliveries WHERE batch_id IS NULL";
/// From an hour ago to in an hour, wherever the day is.
const QUIET_NOW: &str = "(SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int * 60 AS minute) AS clock";

async fn first(site: &Site, query: &str) -> Value {
    db::testing::rows(&site.deps.pool, query).await.unwrap()[0]["at"].clone()
}

#[tokio::test]
async fn quiet_hours_end_by_the_members_own_clock() {
    let site = Site::start(|_| {}).await;
    let night = "22:30 to 07:00";
    for (zone, span, at, end) in [
        ("Europe/Berlin", night, "2026-01-01T21:29:59Z", None),
        ("Europe/Berlin", night, "2026-01-01T21:30:00Z", Some("2026-01-02T06:00:00Z")),
        ("Europe/Berlin", night, "2026-01-02T05:59:59Z", Some("2026-01-02T06:00:00Z")),
        ("Europe/Berlin", night, "2026-01-02T06:00:00Z", None),
        // The night in which the clock goes forward is an hour shorter, and longer when it goes back.
        ("Europe/Berlin", night, "2026-03-28T22:00:00Z", Some("2026-03-29T05:00:00Z")),
        ("Europe/Berlin", night, "2026-10-24T21:00:00Z", Some("2026-10-25T06:00:00Z")),
        // An end that the clock leaps over comes when it would have come.
        ("Europe/Berlin", "22:30 to 02:30", "2026-03-28T22:00:00Z", Some("2026-03-29T01:30:00Z")),
        ("Asia/Ho_Chi_Minh", "09:00 to 17:00", "2026-01-01T02:00:00Z", Some("2026-01-01T10:00:00Z")),
        ("Asia/Ho_Chi_Minh", "09:00 to 17:00", "2026-01-01T10:00:00Z", None),
    ] {
        let (from, to) = span.split_once(" to ").unwrap();
        let (from, to) = QuietHours::parse(from, to).unwrap().minutes();
        let query = format!("SELECT quiet_until('{zone}', {from}, {to}, '{at}') = '{}' AS at", end.unwrap_or("epoch"));
        let expected = if end.is_some() { Value::Bool(true) } else { Value::Null };
        assert_eq!(first(&site, &query).await, expected, "{zone} {span} {at}");
    }
}

#[tokio::test]
async fn collected_mail_comes_at_its_hour_and_after_the_quiet_ones() {
    let site = Site::start(|_| {}).await;
    let times = |zone: &str, quiet: &str, digest: &str, hour: u8, day: u8| {
        format!("ROW(gen_random_uuid(), '{zone}', {quiet}, '{digest}', {hour}, {day})::notification_times")
    };
    let none = "NULL, NULL";
    for (times, at, due) in [
        (times("UTC", none, "off", 8, 1), "2026-11-22T07:00:00Z", None),
        (times("UTC", none, "daily", 8, 1), "2026-11-22T07:00:00Z", Some("2026-11-22T08:00:00Z")),
        (times("UTC", none, "daily", 8, 1), "2026-11-22T08:00:00Z", Some("2026-11-23T08:00:00Z")),
        (times("Europe/Berlin", none, "daily", 8, 1), "2026-03-28T08:00:00Z", Some("2026-03-29T06:00:00Z")),
        // The 22nd is a Sunday, here; in Vietnam Monday has begun.
        (times("UTC", none, "weekly", 8, 7), "2026-11-22T18:00:00Z", Some("2026-11-29T08:00:00Z")),
        (times("Asia/Ho_Chi_Minh", none, "weekly", 8, 1), "2026-11-22T18:00:00Z", Some("2026-11-23T01:00:00Z")),
        (times("UTC", "1320, 540", "daily", 8, 1), "2026-11-22T12:00:00Z", Some("2026-11-23T09:00:00Z")),
        (times("UTC", "1320, 420", "off", 8, 1), "2026-11-22T23:00:00Z", Some("2026-11-23T07:00:00Z")),
        // A zone the system has forgotten.
        (times("Nowhere/Gone", none, "daily", 8, 1), "2026-11-22T07:00:00Z", Some("2026-11-22T08:00:00Z")),
    ] {
        let query = format!("SELECT mail_waits_until({times}, false, '{at}') = '{}' AS at", due.unwrap_or("epoch"));
        let expected = if due.is_some() { Value::Bool(true) } else { Value::Null };
        assert_eq!(first(&site, &query).await, expected, "{times} {at}");
    }
    let urgent = format!("SELECT mail_waits_until({}, true, now()) AS at", times("UTC", none, "daily", 8, 1));
    assert_eq!(first(&site, &urgent).await, Value::Null, "what costs a recording is not collected");
}

#[tokio::test]
async fn a_push_waits_for_the_end_of_quiet_hours_and_what_is_over_is_dropped() {
    let site = Site::start(|config| config.outward.allow = vec!["127.0.0.0/8".to_owned()]).await;
    let service = Service::default();
    let (addr, _tasks) = service.start().await;
    let (alice, bob, carol) = (site.channel("alice").await, site.channel("bob").await, site.channel("carol").await);
    for (user, name) in [(bob, "bob"), (carol, "carol")] {
        subscribe(&site, user, &format!("http://{addr}/{name}")).await;
        site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{alice}', '{user}')")).await;
    }
    site.execute(&format!(
        "INSERT INTO notification_times (user_id, quiet_from, quiet_to)
         SELECT '{bob}', (minute + 1380) % 1440, (minute + 120) % 1440 FROM {QUIET_NOW}"
    ))
    .await;
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    site.tell(&Event::Followed { channel_id: bob, follower_id: alice }).await;
    let (_running, _stop) = site.run();
    site.until(WAITING, 0, WITHIN).await;
    site.until(OPEN_JOBS, 0, WITHIN).await;
    assert_eq!((service.names(), site.number(HELD_PUSHES).await), (vec!["carol".to_owned()], 2));
    let unread = format!("SELECT count(*)::bigint AS n FROM notifications WHERE user_id = '{bob}'");
    assert_eq!(site.number(&unread).await, 2, "the list does not wait");

    // In the morning: nine hours later, and the stream has ended.
    site.execute(
        "UPDATE streams SET status = 'ended', ended_at = now();
         UPDATE notifications SET created_at = created_at - interval '9 hours';
         UPDATE push_deliveries SET due_at = now()",
    )
    .await;
    site.until("SELECT count(*)::bigint AS n FROM push_deliveries", 0, WITHIN).await;
    assert_eq!(service.names(), ["bob", "carol"], "the follower is news, the stream is not");

    // Whoever ends their quiet hours hears at once.
    let dave = site.channel("dave").await;
    site.tell(&Event::Followed { channel_id: bob, follower_id: dave }).await;
    site.until(HELD_PUSHES, 1, WITHIN).await;
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    db::notification_times::set(&mut tx, bob, &db::notification_times::Times::default()).await.unwrap();
    db::commit(tx).await.unwrap();
    site.until("SELECT count(*)::bigint AS n FROM push_deliveries", 0, WITHIN).await;
    assert_eq!(service.names(), ["bob", "bob", "carol"]);
}

#[tokio::test]
async fn collected_mail_is_one_letter_of_what_is_still_news() {
    let server = MailServer::default();
    let (addr, _tasks) = server.start().await;
    let site = mail::site(addr).await;
    let alice = site.channel("alice").await;
    let bob = mail::follower(&site, alice, "bob", "en").await;
    let erin = mail::follower(&site, alice, "erin", "en").await;
    site.execute(&format!(
        "INSERT INTO notification_reaches VALUES ('{bob}', 'new_follower', 'mail', true), ('{erin}', 'stream_online', 'mail', false)"
    ))
    .await;
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    let digest = Digest { every: Every::Weekly, hour: 18, day: 5 };
    let times = db::notification_times::Times { time_zone: "Europe/Berlin".to_owned(), quiet: None, digest };
    db::notification_times::set(&mut tx, bob, &times).await.unwrap();
    assert_eq!(db::notification_times::of(&mut tx, bob).await.unwrap(), times);
    db::commit(tx).await.unwrap();
    let stream = site.live_stream(alice).await;
    site.tell(&online(stream, alice, "alice")).await;
    for name in ["carol", "dave"] {
        let fan = site.channel(name).await;
        site.tell(&Event::Followed { channel_id: bob, follower_id: fan }).await;
    }
    let (_running, _stop) = site.run();
    site.until(HELD_MAILS, 3, WITHIN).await;
    site.until(OPEN_JOBS, 0, WITHIN).await;
    assert_eq!(server.recipients(), Vec::<String>::new());
    // On Friday, days later.
    site.execute(
        "UPDATE streams SET status = 'ended', ended_at = now();
         UPDATE notifications SET created_at = created_at - interval '5 days';
         UPDATE mail_deliveries SET due_at = now()",
    )
    .await;
    site.until("SELECT count(*)::bigint AS n FROM mail_deliveries", 0, WITHIN).await;
    assert_eq!(server.recipients(), ["bob@test.example"], "one letter");
    let text = String::from_utf8(server.mail_to("bob@test.example")).unwrap();
    assert!(text.contains("Subject: 2 new notifications on tv.example"), "{text}");
    assert!(text.contains("carol follows you now") && text.contains("dave follows you now"), "{text}");
    assert!(!text.contains("is live"), "{text}");
}
