//! What answers say about themselves: which version they are, and how much of a limit is left.

use http::StatusCode;
use serde_json::json;

use crate::harness::{Member, Site};

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let me = async |tag: &str| {
        let call = site.get("/api/v1/me").bearer(&alice.token);
        let call = if tag.is_empty() { call } else { call.header("if-none-match", tag) };
        call.send().await
    };
    let first = me("").await.expect(200);
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let again = me(&tag).await.expect(304);
    assert!(again.body.is_empty());
    assert_eq!(again.header("etag"), tag);
    assert_eq!(again.header("content-type"), "");
    site.call("PATCH", "/api/v1/me").bearer(&alice.token).json(json!({ "bio": "new" })).send().await.expect(200);
    let changed = me(&tag).await.expect(200);
    assert_ne!(changed.header("etag"), tag);
    // Refusals have none.
    let refused = site.get("/api/v1/files/nothing").bearer(&alice.token).header("if-none-match", "*").send().await;
    assert_eq!((refused.status, refused.header("etag")), (StatusCode::NOT_FOUND, ""));
    // Visitors too.
    let visitor = site.get("/api/v1/channels/alice").send().await.expect(200);
    let tag = visitor.header("etag").to_owned();
    site.get("/api/v1/channels/alice").header("if-none-match", &tag).send().await.expect(304);
}

/// A file as if it had come in.
async fn file(site: &Site, who: &Member) -> String {
    let (file, version, blob) = (kit::ids::uuid(), kit::ids::uuid(), kit::ids::uuid());
    site.sql(&format!(
        "INSERT INTO blobs (blob_id, owner_id, lock, state, sha256, stored_bytes, bytes)
         VALUES ('{blob}', '{owner}', 'l', 'clean', sha256('{blob}'::text::bytea), 5, 5);
         INSERT INTO files (file_id, owner_id, folder, name, visibility, versions, bytes)
         VALUES ('{file}', '{owner}', '/', 'notes.txt', 'private', 1, 5);
         INSERT INTO file_versions (version_id, file_id, number, blob_id, state, progress, name, mime, bytes)
         VALUES ('{version}', '{file}', 1, '{blob}', 'completed', 100, 'notes.txt', 'text/plain', 5);
         UPDATE files SET version_id = '{version}' WHERE file_id = '{file}'",
        owner = who.id,
    ))
    .await;
    format!("/api/v1/files/{file}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_written_over_by_who_has_not_seen_it() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let path = file(&site, &alice).await;
    let seen = site.get(&path).bearer(&alice.token).send().await.expect(200).header("etag").to_owned();
    let rename = async |tag: &str, name: &str| {
        let call = site.call("PATCH", &path).bearer(&alice.token).header("if-match", tag);
        call.json(json!({ "name": name })).send().await
    };
    rename("\"something else\"", "a.txt").await.refused(412, "request.changed-meanwhile");
    // Of two who have seen the same, one is heard.
    let (one, other) = tokio::join!(rename(&seen, "b.txt"), rename(&seen, "c.txt"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    rename("*", "d.txt").await.expect(200);
    let call = site.call("PATCH", &path).bearer(&alice.token).json(json!({ "name": "e.txt" }));
    assert_eq!(call.send().await.expect(200).json["name"], "e.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_counted_hears_what_is_left() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let report = async |key: &str| {
        let call =
            site.post("/api/v1/reports").bearer(&alice.token).json(json!({ "reason": "spam", "username": "nobody" }));
        let call = if key.is_empty() { call } else { call.header("idempotency-key", key) };
        call.send().await
    };
    let quota = |answer: &crate::harness::Answer, header: &str| -> Vec<String> {
        answer.headers.get_all(header).iter().map(|value| value.to_str().expect("text").to_owned()).collect()
    };
    let first = report("").await;
    assert_eq!(quota(&first, "ratelimit-policy"), ["\"reports\";q=20;w=3600"]);
    assert!(quota(&first, "ratelimit")[0].starts_with("\"reports\";r=19;t="), "{:?}", first.headers);
    // Also of work that runs on a task of its own.
    let keyed = report("k").await;
    let policies = quota(&keyed, "ratelimit-policy");
    assert_eq!(policies, ["\"idempotency\";q=240;w=3600", "\"reports\";q=20;w=3600"]);
    for _ in 0..18 {
        report("").await;
    }
    let refused = report("").await.expect(429);
    assert!(quota(&refused, "ratelimit")[0].starts_with("\"reports\";r=0;t="), "{:?}", refused.headers);
    assert_ne!(refused.header("retry-after"), "");
    // What nobody counted says nothing.
    let free = site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200);
    assert!(quota(&free, "ratelimit").is_empty());
}
