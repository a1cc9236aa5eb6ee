//! What a broadcaster sees of their encoder, and lets the next one do.

use serde_json::{Value, json};

use crate::harness::{Member, Site};

/// An encoder connected to a stream of `owner`'s.
async fn publish(site: &Site, stream: &str, owner: &Member) {
    site.sql(&format!(
        "INSERT INTO publishes (publish_id, stream_id, epoch, addr, client_id, args, started_at, priority) \
         VALUES (gen_random_uuid(), '{stream}', 3, '192.0.2.9', '1', 'secret={}', now(), 7)",
        owner.username
    ))
    .await;
}

#[tokio::test]
async fn only_its_owner_offers_a_running_stream_to_the_next_encoder() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let path = "/api/v1/me/stream/takeover";
    site.post(path).send().await.expect(401);
    site.post(path).bearer(&alice.token).send().await.refused(409, "takeover.no-encoder");
    let (stream, _) = site.stream(&alice, "On air", "live", "recording").await;
    site.post(path).bearer(&alice.token).send().await.refused(409, "takeover.no-encoder");
    publish(&site, &stream, &alice).await;
    site.post(path).bearer(&bob.token).send().await.refused(409, "takeover.no-encoder");

    let until = site.post(path).bearer(&alice.token).send().await.expect(200).json["until"].clone();
    let seen = site.get("/api/v1/me/stream").bearer(&alice.token).send().await.expect(200).json;
    assert_eq!(seen["takeover_until"], until);
    let rows = site.rows("SELECT takeover_until - now() BETWEEN interval '25 s' AND interval '30 s' AS ok FROM channels c JOIN users u ON u.user_id = c.channel_id WHERE username = 'alice'").await;
    assert_eq!(rows, [json!({"ok": true})]);
    assert_eq!(seen["encoder"]["address"], "192.0.2.9");
    assert_eq!((&seen["encoder"]["epoch"], &seen["encoder"]["priority"]), (&json!(3), &json!(7)));
    assert!(!seen.to_string().contains("secret="), "its arguments are for the operator: {seen}");
    let others = site.get("/api/v1/me/stream").bearer(&bob.token).send().await.expect(200).json;
    assert_eq!(
        (&others["encoder"], &others["takeover_until"], &others["last"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    site.call("DELETE", path).bearer(&bob.token).send().await.expect(204);
    let seen = site.get("/api/v1/me/stream").bearer(&alice.token).send().await.expect(200).json;
    assert_eq!(seen["takeover_until"], until, "another's word takes nothing back");
    for _ in 0..2 {
        site.call("DELETE", path).bearer(&alice.token).send().await.expect(204);
    }
    let seen = site.get("/api/v1/me/stream").bearer(&alice.token).send().await.expect(200).json;
    assert_eq!(seen["takeover_until"], Value::Null);
}

#[tokio::test]
async fn a_broadcaster_reads_why_the_last_stream_is_over() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let last =
        async || site.get("/api/v1/me/stream").bearer(&alice.token).send().await.expect(200).json["last"].clone();
    assert_eq!(last().await, Value::Null);
    let (stream, _) = site.stream(&alice, "Gone", "ended", "ready").await;
    publish(&site, &stream, &alice).await;
    site.sql("UPDATE streams SET end_reason = 'window_over'; UPDATE publishes SET ended_at = now(), end_reason = 'codec_refused'")
        .await;
    let told = last().await;
    assert_eq!((&told["id"], &told["title"]), (&json!(stream), &json!("Gone")));
    assert_eq!((&told["end_reason"], &told["encoder_end_reason"]), (&json!("window_over"), &json!("codec_refused")));
    assert!(told["ended_at"].is_string());
    let public = site.get(&format!("/api/v1/streams/{stream}")).send().await.expect(200).json;
    assert_eq!(public["end_reason"], Value::Null, "it is between the broadcaster and the server");
}

#[tokio::test]
async fn the_encrypted_address_is_told_beside_the_plain_one() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let key = site.get("/api/v1/me/stream-key").bearer(&alice.token).send().await.expect(200).json;
    assert_eq!(key["rtmp_url"], "rtmp://tv.test/live");
    assert_eq!(key["rtmps_url"], "rtmps://tv.test:1936/live");
}
