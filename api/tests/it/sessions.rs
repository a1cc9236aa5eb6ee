//! The life of a sign-in: rotation, reuse, parallel use, logout; tokens that lie; requests from other sites.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{SECRET, Setup, Site};

/// An access token whose reason is gone.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_rotates_the_cookie_and_both_tokens_work() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let answer = site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.expect(200);
    assert_eq!(answer.json["expires_in"], 900);
    assert_eq!(answer.header("cache-control"), "no-store");
    let (next, _) = answer.cookie().expect("a new cookie");
    assert_ne!(next, alice.cookie);
    let token = answer.json["access_token"].as_str().expect("a token");
    site.get("/api/v1/me").bearer(token).send().await.expect(200);
    site.post("/api/v1/auth/refresh").cookie(&next).send().await.expect(200);
    let stored = site.rows("SELECT encode(token_hash, 'hex') AS h FROM refresh_tokens").await;
    assert_eq!(stored.len(), 3);
    assert!(!format!("{stored:?}").contains(&next), "only digests are stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_parallel_refreshes_have_one_successor() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let answers = futures::future::join_all((0..20).map(|_| async {
        let answer = site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.expect(200);
        answer.cookie().expect("a cookie").0
    }))
    .await;
    assert!(answers.iter().all(|cookie| *cookie == answers[0]), "one successor for all");
    let rows = site.rows("SELECT count(*) AS n FROM refresh_tokens").await;
    assert_eq!(rows[0]["n"], 2);
    site.post("/api/v1/auth/refresh").cookie(&answers[0]).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_refresh_token_ends_the_whole_family() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let other_device = site.login("alice").await;
    let first = site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.expect(200);
    let (next, _) = first.cookie().expect("a cookie");
    site.sql("UPDATE refresh_tokens SET used_at = used_at - interval '11 seconds'").await;

    let stolen = site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.refused(401, "auth.session-over");
    assert_eq!(stolen.cookie().expect("removed").0, "");
    site.post("/api/v1/auth/refresh").cookie(&next).send().await.refused(401, "auth.session-over");
    for token in [&alice.token, first.json["access_token"].as_str().expect("a token")] {
        site.get("/api/v1/me").bearer(token).send().await.refused(401, "auth.invalid-token");
    }
    let reasons = site.rows("SELECT revoke_reason AS r FROM sessions WHERE revoked_at IS NOT NULL").await;
    assert_eq!(reasons, [json!({"r": "reuse"})]);
    let written = site.rows("SELECT actor, action, member FROM audit_log").await;
    assert_eq!(written, [json!({"actor": "site", "action": "session.ended", "member": "alice"})]);
    site.get("/api/v1/me").bearer(&other_device.token).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_is_for_the_same_client_only() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let refresh = |agent: &'static str| {
        site.post("/api/v1/auth/refresh").cookie(&alice.cookie).header("user-agent", agent).send()
    };
    refresh("Firefox").await.expect(200);
    refresh("Firefox").await.expect(200);
    refresh("curl").await.refused(401, "auth.session-over");
    refresh("Firefox").await.refused(401, "auth.session-over");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_expired_and_malformed_cookies_are_over() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.post("/api/v1/auth/refresh").send().await.refused(401, "auth.session-over");
    for cookie in ["", "deadbeef", "not hex!", &"a".repeat(5_000)] {
        site.post("/api/v1/auth/refresh").cookie(cookie).send().await.refused(401, "auth.session-over");
    }
    site.sql("UPDATE sessions SET expires_at = now() - interval '1 second'").await;
    site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.refused(401, "auth.session-over");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_logout_neither_token_works_on_any_node() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let other = site.login("alice").await;
    let gone = site.post("/api/v1/auth/logout").bearer(&alice.token).cookie(&alice.cookie).send().await.expect(204);
    let (value, attributes) = gone.cookie().expect("a removal");
    assert!(value.is_empty() && attributes.contains("Max-Age=0"), "{attributes}");
    site.get("/api/v1/me").bearer(&alice.token).send().await.refused(401, "auth.invalid-token");
    site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.refused(401, "auth.session-over");
    site.get("/api/v1/me").bearer(&other.token).send().await.expect(200);

    // What another node would see: the list in Redis.
    let revocations = live::revocations::Revocations::new(site.live.clone(), 900);
    let claims =
        kit::tokens::AccessTokens::new(&kit::Secret::new(SECRET), 900).verify(&alice.token).expect("well made");
    assert_eq!(revocations.is_revoked(claims.sid, kit::ids::uuid()).await, Some(true));
    let stranger = domain::SessionId::from_uuid(kit::ids::uuid());
    assert_eq!(revocations.is_revoked(stranger, claims.jti).await, Some(true));
    assert_eq!(revocations.is_revoked(stranger, kit::ids::uuid()).await, Some(false));
    site.post("/api/v1/auth/logout").send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_and_a_new_role_end_every_sign_in() {
    let site = Site::start().await;
    let boss = site.register_as("boss", "admin").await;
    let alice = site.register("alice").await;
    let (pool, live, config) = (&site.pool, &site.live, &*site.config);
    let other = site.login("alice").await;
    let password = kit::Secret::new("an entirely different horse 47");
    api::accounts::set_password(pool, live, config, "alice", password).await.expect("changed");
    for gone in [&alice, &other] {
        site.get("/api/v1/me").bearer(&gone.token).send().await.refused(401, "auth.invalid-token");
        site.post("/api/v1/auth/refresh").cookie(&gone.cookie).send().await.refused(401, "auth.session-over");
    }
    let sign_in = async |password: &str| {
        site.post("/api/v1/auth/login").json(json!({ "login": "alice", "password": password })).send().await
    };
    sign_in("an entirely different horse 47").await.expect(200);
    sign_in(crate::harness::PASSWORD).await.refused(401, "auth.wrong-credentials");

    site.get("/api/v1/admin/users").bearer(&boss.token).send().await.expect(200);
    api::accounts::set_role(pool, live, config, "boss", domain::user::Role::User).await.expect("changed");
    let changed = Instant::now();
    // The role is gone at once; that the token is over may be news for a moment.
    loop {
        let status = site.get("/api/v1/admin/users").bearer(&boss.token).send().await.status.as_u16();
        if status == 401 {
            break;
        }
        assert_eq!(status, 403);
        assert!(changed.elapsed() < REFUSED_WITHIN, "its token still works");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let later = site.login("boss").await;
    assert_eq!(site.get("/api/v1/admin/users").bearer(&later.token).send().await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_alone_is_enough_to_leave() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.post("/api/v1/auth/logout").cookie(&alice.cookie).send().await.expect(204);
    site.get("/api/v1/me").bearer(&alice.token).send().await.refused(401, "auth.invalid-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_cannot_refresh_or_log_out() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    for path in ["/api/v1/auth/refresh", "/api/v1/auth/logout"] {
        for origin in
            ["null", "https://evil.test", "http://tv.test.evil.test", "http://eviltv.test", "http://tv.test:81"]
        {
            let call = site.post(path).cookie(&alice.cookie).header("origin", origin).header("host", "tv.test");
            call.send().await.refused(403, "auth.cross-site");
        }
        for verdict in ["cross-site", "same-site"] {
            let call = site.post(path).cookie(&alice.cookie).header("sec-fetch-site", verdict);
            call.send().await.refused(403, "auth.cross-site");
        }
    }
    let own = site.post("/api/v1/auth/refresh").cookie(&alice.cookie).header("origin", "http://tv.test");
    own.header("sec-fetch-site", "same-origin").send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_on_https_marks_its_cookie_secure() {
    let mut setup = Setup::new();
    setup.site_url = "https://tv.test".to_owned();
    let site = setup.start().await;
    let body = json!({"username": "alice", "email": "a@mail.test", "password": crate::harness::PASSWORD});
    let answer = site.post("/api/v1/auth/register").json(body).send().await.expect(201);
    assert!(answer.cookie().expect("a cookie").1.contains("Secure"));
}

/// Everything E1 names, and a few more: all answered alike.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_lie_are_refused_with_one_body() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let claims = claims_of(&alice.token);
    let key = EncodingKey::from_secret(&kit::seal::derive_key(&kit::Secret::new(SECRET), "access-token"));
    let make = |header: &Header, change: &[(&str, Value)]| {
        let mut claims = claims.clone();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        encode(header, &claims, &key).expect("a token")
    };
    let hs256 = Header::new(Algorithm::HS256);
    let now = kit::clock::unix_seconds();
    let kid = Header { kid: Some("../../dev/null".to_owned()), ..Header::new(Algorithm::HS256) };
    site.get("/api/v1/me").bearer(&make(&hs256, &[])).send().await.expect(200);
    site.get("/api/v1/me").bearer(&make(&kid, &[])).send().await.expect(200);

    let [_, payload, _] = parts(&alice.token);
    let none = format!("{}.{payload}.", b64(r#"{"alg":"none","typ":"JWT"}"#));
    let twice = format!("{}.{}.x", b64(r#"{"alg":"HS256"}"#), b64(r#"{"sub":"a","sub":"b"}"#));
    let other_key = EncodingKey::from_secret(b"another");
    let lies = [
        none,
        twice,
        make(&Header::new(Algorithm::HS512), &[]),
        encode(&hs256, &claims, &other_key).expect("a token"),
        make(&hs256, &[("typ", json!("refresh"))]),
        make(&hs256, &[("typ", json!("playback"))]),
        make(&hs256, &[("aud", json!("elsewhere"))]),
        make(&hs256, &[("iss", json!("elsewhere"))]),
        make(&hs256, &[("exp", json!(now - 6))]),
        make(&hs256, &[("nbf", json!(now + 60))]),
        make(&hs256, &[("role", json!("root"))]),
        make(&hs256, &[("sub", json!("alice"))]),
        alice.cookie.clone(),
        "x".repeat(1_000_000),
        String::new(),
    ];
    let expected = site.get("/api/v1/me").bearer("nonsense").send().await.refused(401, "auth.invalid-token");
    for lie in lies {
        let answer = site.get("/api/v1/me").bearer(&lie).send().await;
        assert_eq!((answer.status, &answer.body), (expected.status, &expected.body), "{:.80}", lie);
    }
    let basic = site.get("/api/v1/me").header("authorization", "Basic YTpi").send().await;
    assert_eq!(basic.body, expected.body);
    // A bad token is an error even where none is needed: the client must renew it.
    site.get("/api/v1/channels/alice").bearer("nonsense").send().await.refused(401, "auth.invalid-token");
    let missing = site.get("/api/v1/me").send().await.refused(401, "auth.required");
    assert_eq!(missing.header("www-authenticate"), "Bearer");
}

fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().expect("three parts")
}

fn claims_of(token: &str) -> Value {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(parts(token)[1]).expect("base64");
    serde_json::from_slice(&bytes).expect("json")
}

fn b64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
