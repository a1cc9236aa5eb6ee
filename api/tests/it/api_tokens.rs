//! Tokens of members' programs: what each may do, and what ends it.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, PASSWORD, Setup, Site};

const TOKENS: &str = "/api/v1/me/api-tokens";

fn wish(name: &str, scopes: &[&str]) -> Value {
    json!({ "name": name, "scopes": scopes, "password": PASSWORD })
}

async fn make(site: &Site, who: &Member, scopes: &[&str]) -> (String, String) {
    let made = site.post(TOKENS).bearer(&who.token).json(wish("a program", scopes)).send().await.expect(201);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&made.json["token"]), text(&made.json["api_token"]["id"]))
}

async fn list(site: &Site, who: &Member) -> Vec<Value> {
    let answer = site.get(TOKENS).bearer(&who.token).send().await.expect(200);
    answer.json["items"].as_array().expect("items").clone()
}

async fn me(site: &Site, token: &str) -> Answer {
    site.get("/api/v1/me").bearer(token).send().await
}

async fn end(site: &Site, who: &Member, id: &str) -> Answer {
    site.call("DELETE", &format!("{TOKENS}/{id}")).bearer(&who.token).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_does_what_its_scopes_say() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let made = site
        .post(TOKENS)
        .bearer(&alice.token)
        .json(wish(" My  bot ", &["files:read", "content:read"]))
        .from("198.51.100.9");
    let made = made.send().await.expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let token = made.json["token"].as_str().expect("a token");
    assert!(token.starts_with("rillcast_pat_") && token.len() == 77, "{token}");
    assert_eq!(made.json["api_token"]["name"], "My bot");
    assert_eq!(made.json["api_token"]["scopes"], json!(["content:read", "files:read"]));

    let seen = list(&site, &alice).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["hint"], token[73..]);
    assert_eq!((&seen[0]["last_used_at"], &seen[0]["last_used_address"]), (&Value::Null, &Value::Null));
    assert!(!seen[0].to_string().contains(&token[13..73]), "nobody is shown it again");
    assert!(list(&site, &bob).await.is_empty());

    let call = site.get("/api/v1/me").bearer(token).from("198.51.100.7").send().await.expect(200);
    assert_eq!(call.json["username"], "alice");
    site.call("HEAD", "/api/v1/files").bearer(token).send().await.expect(200);
    let seen = list(&site, &alice).await;
    assert_eq!(seen[0]["last_used_address"], "198.51.100.7");
    assert!(seen[0]["last_used_at"].is_string());

    // What it was not given, and what no program is given.
    site.get("/api/v1/notifications").bearer(token).send().await.refused(403, "api-token.scope");
    site.get("/api/v1/me/stream-key").bearer(token).send().await.refused(403, "api-token.scope");
    for path in ["/api/v1/me/sessions", TOKENS, "/api/v1/friends", "/api/v1/rooms", "/api/v1/admin/users"] {
        site.get(path).bearer(token).send().await.refused(403, "api-token.session-only");
    }
    for path in ["/api/v1/me/stream-key/rotate", "/api/v1/me/close", "/api/v1/me/password", TOKENS] {
        let answer = site.post(path).bearer(token).json(json!({})).send().await;
        answer.refused(403, "api-token.session-only");
    }
    // A sign-in is not one of the devices, and is not ended as one.
    let devices = site.get("/api/v1/me/sessions").bearer(&alice.token).send().await.expect(200);
    assert_eq!(devices.json["total"], 1);
    let id = seen[0]["id"].as_str().expect("an id");
    site.call("DELETE", &format!("/api/v1/me/sessions/{id}"))
        .bearer(&alice.token)
        .send()
        .await
        .refused(404, "session.not-found");
    site.call("DELETE", "/api/v1/me/sessions").bearer(&alice.token).send().await.expect(200);
    me(&site, token).await.expect(200);
    let stored = site.rows("SELECT token_hash::text, hint, scopes::text FROM api_tokens").await;
    assert!(!format!("{stored:?}").contains(&token[13..70]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refused_from_the_moment_it_is_ended() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let (token, id) = make(&site, &alice, &["content:read"]).await;
    let (other, _) = make(&site, &alice, &["content:read"]).await;
    me(&site, &token).await.expect(200);
    end(&site, &bob, &id).await.refused(404, "api-token.not-found");
    end(&site, &alice, &id).await.expect(204);
    me(&site, &token).await.refused(401, "auth.invalid-token");
    me(&site, &other).await.expect(200);
    end(&site, &alice, &id).await.refused(404, "api-token.not-found");
    assert_eq!(list(&site, &alice).await.len(), 1);
    let session = list(&site, &alice).await[0]["id"].as_str().expect("an id").to_owned();
    site.sql(&format!("UPDATE sessions SET expires_at = now() WHERE session_id = '{session}'")).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    me(&site, &other).await.refused(401, "auth.invalid-token");
    assert_eq!(list(&site, &alice).await.len(), 1, "one that ran out is still shown");
    // Made up ones, and an access token's look-alike.
    for bad in ["rillcast_pat_", &format!("rillcast_pat_{}", "0".repeat(64)), &token[1..]] {
        me(&site, bad).await.refused(401, "auth.invalid-token");
    }
    let log = site
        .rows("SELECT action, entity, details::text FROM audit_log WHERE entity_type = 'api_token' ORDER BY at")
        .await;
    let acts: Vec<_> = log.iter().map(|row| row["action"].as_str().expect("an action")).collect();
    assert_eq!(acts, ["api_token.created", "api_token.created", "api_token.revoked"]);
    assert!(!format!("{log:?}").contains("rillcast_pat_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_a_suspension_and_a_closed_account_end_tokens() {
    let site = Site::start().await;
    for (name, act) in [("alice", "password"), ("bob", "suspended"), ("carol", "closed")] {
        let who = site.register(name).await;
        let (token, _) = make(&site, &who, &["content:read"]).await;
        me(&site, &token).await.expect(200);
        match act {
            "password" => {
                let body = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
                site.post("/api/v1/me/password").bearer(&who.token).json(body).send().await.expect(204);
                me(&site, &who.token).await.expect(200);
            }
            "suspended" => {
                site.sql(&format!("UPDATE users SET is_barred = true WHERE user_id = '{}'", who.id)).await;
                // As old as a yes may be.
                tokio::time::sleep(Duration::from_millis(1_100)).await;
            }
            _ => {
                site.post("/api/v1/me/close")
                    .bearer(&who.token)
                    .json(json!({ "password": PASSWORD }))
                    .send()
                    .await
                    .expect(204);
            }
        }
        me(&site, &token).await.refused(401, "auth.invalid-token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn making_one_asks_for_the_password_and_has_limits() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let post = async |body: Value| site.post(TOKENS).bearer(&alice.token).json(body).send().await;
    let mut wrong = wish("x", &["files:read"]);
    wrong["password"] = json!("not this one");
    post(wrong).await.refused(403, "account.wrong-password");
    for (field, value) in [
        ("name", json!("  ")),
        ("scopes", json!([])),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("expires_at", json!("2999-01-01T00:00:00Z")),
    ] {
        let mut body = wish("x", &["files:read"]);
        body[field] = value;
        let answer = post(body).await.refused(422, "request.invalid");
        assert_eq!(answer.json["errors"][0]["field"], field);
    }
    post(wish("x", &["admin:write"])).await.refused(422, "request.malformed");
    let soon = kit::clock::now() + chrono::TimeDelta::hours(1);
    let mut body = wish("x", &["files:read"]);
    body["expires_at"] = json!(soon);
    let made = post(body).await.expect(201);
    assert_eq!(made.json["api_token"]["expires_at"], json!(soon));

    // Sent twice under one key it is one token, and both hear it.
    let twice = async || {
        let call =
            site.post(TOKENS).bearer(&alice.token).header("idempotency-key", "k").json(wish("y", &["files:read"]));
        call.send().await.expect(201)
    };
    assert_eq!(twice().await.json["token"], twice().await.json["token"]);

    // Fifty, also when several are made at once.
    site.sql(&format!(
        "WITH made AS (INSERT INTO sessions (session_id, user_id, name, expires_at, is_token)
                       SELECT gen_random_uuid(), '{}', 'many', now() + interval '1 day', true FROM generate_series(1, 46)
                       RETURNING session_id)
         INSERT INTO api_tokens SELECT session_id, sha256(session_id::text::bytea), 'h', ARRAY['files:read'] FROM made",
        alice.id
    ))
    .await;
    let answers = join_all((0..5).map(|_| post(wish("z", &["files:read"])))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "api-token.too-many");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_staff_has_no_powers_of_the_staff() {
    let site = Site::start().await;
    let root = site.register_as("mona", "admin").await;
    let bob = site.register("bob").await;
    let (_, vod) = site.stream(&bob, "an evening", "ended", "ready").await;
    let all = ["content:read", "content:write", "channel:read", "channel:write"];
    let (token, _) = make(&site, &root, &all).await;
    let path = format!("/api/v1/vods/{vod}");
    let change = json!({ "title": "taken over" });
    let refused = site.call("PATCH", &path).bearer(&token).json(change.clone()).send().await;
    assert!(matches!(refused.status.as_u16(), 403 | 404), "{}", refused.text());
    site.call("PATCH", &path).bearer(&root.token).json(change).send().await.expect(200);
    site.get("/api/v1/admin/users").bearer(&token).send().await.refused(403, "api-token.session-only");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_answer_503_while_nobody_can_say_whether_they_are_good() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (token, _) = make(&site, &alice, &["content:read"]).await;
    let mut setup = Setup::new();
    setup.database_url = Some("postgres://nobody@127.0.0.1:9/none".to_owned());
    let away = setup.start().await;
    away.get("/api/v1/me").bearer(&token).send().await.expect(503);
}
