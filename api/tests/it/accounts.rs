//! Signing up and in, the profile, the stream key, and what strangers may learn about accounts.

use serde_json::{Value, json};

use crate::harness::{PASSWORD, Setup, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_becomes_a_member_with_a_channel_and_a_key() {
    let site = Site::start().await;
    let answer = site
        .post("/api/v1/auth/register")
        .json(
            json!({"username": "Alice_1", "email": " Alice@Mail.test ", "password": PASSWORD, "display_name": "Alice"}),
        )
        .send()
        .await
        .expect(201);
    let user = &answer.json["user"];
    assert_eq!(user["username"], "alice_1");
    assert_eq!(user["email"], "alice@mail.test");
    assert_eq!((user["display_name"].as_str(), user["role"].as_str()), (Some("Alice"), Some("user")));
    assert_eq!(user["avatar_url"], Value::Null);
    assert_eq!(answer.json["expires_in"], 900);
    assert_eq!(answer.header("cache-control"), "no-store");
    let (_, attributes) = answer.cookie().expect("a cookie");
    for wanted in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age=604800"] {
        assert!(attributes.contains(wanted), "{attributes}");
    }
    assert!(!attributes.contains("Secure"), "plain http: {attributes}");
    assert!(!answer.text().contains("password"));

    let token = answer.json["access_token"].as_str().expect("a token");
    site.get("/api/v1/me").bearer(token).send().await.expect(200);
    let key = site.get("/api/v1/me/stream-key").bearer(token).send().await.expect(200);
    assert_eq!(key.json["rtmp_url"], "rtmp://tv.test/live");
    let text = key.json["stream_key"].as_str().expect("a key").to_owned();
    assert!(text.len() >= 40);
    let digest = "SELECT encode(stream_key_hash, 'hex') AS h, encode(stream_key_sealed, 'escape') AS s FROM channels";
    let row = site.rows(digest).await.remove(0);
    assert_eq!(row["h"], sha256_hex(&text));
    assert!(!row["s"].as_str().expect("text").contains(&text), "the key is not stored in the clear");

    let rotated = site.post("/api/v1/me/stream-key/rotate").bearer(token).send().await.expect(200);
    assert_ne!(rotated.json["stream_key"], text);
    let again = site.get("/api/v1/me/stream-key").bearer(token).send().await.expect(200);
    assert_eq!(again.json["stream_key"], rotated.json["stream_key"]);
}

fn sha256_hex(text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_registration_names_every_broken_field() {
    let site = Site::start().await;
    let answer = site
        .post("/api/v1/auth/register")
        .json(json!({"username": "a", "email": "nowhere", "password": "12345678"}))
        .send()
        .await
        .refused(422, "request.invalid");
    let fields: Vec<_> = answer.json["errors"].as_array().expect("errors").iter().map(|e| e["field"].clone()).collect();
    assert_eq!(fields, ["username", "email", "password"]);
    for reserved in ["admin", "studio"] {
        let body = json!({"username": reserved, "email": "x@mail.test", "password": PASSWORD});
        site.post("/api/v1/auth/register").json(body).send().await.refused(422, "request.invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_named_and_a_taken_address_is_not() {
    let site = Site::start().await;
    site.register("alice").await;
    let body = json!({"username": "ALICE", "email": "other@mail.test", "password": PASSWORD});
    let name = site.post("/api/v1/auth/register").json(body).send().await.refused(409, "account.taken");
    assert_eq!(name.json["errors"][0]["field"], "username");
    let body = json!({"username": "alice2", "email": "ALICE@mail.test", "password": PASSWORD});
    let address = site.post("/api/v1/auth/register").json(body).send().await.refused(409, "account.taken");
    assert_eq!(address.json.get("errors"), None);
    assert!(!address.text().contains("alice@mail.test"));
    assert_eq!(site.rows("SELECT 1 AS one FROM users").await.len(), 1, "nothing half-made is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_and_stolen_roles_are_refused_and_never_stored() {
    let site = Site::start().await;
    for extra in ["role", "id", "is_suspended", "avatar_key", "created_at"] {
        let mut body = json!({"username": "mallory", "email": "m@mail.test", "password": PASSWORD});
        body[extra] = json!("admin");
        site.post("/api/v1/auth/register").json(body).send().await.refused(422, "request.malformed");
    }
    let member = site.register("mallory").await;
    for body in [json!({"role": "admin"}), json!({"email": "x@mail.test"}), json!({"display_name": "M", "id": "x"})] {
        site.call("PATCH", "/api/v1/me")
            .bearer(&member.token)
            .json(body)
            .send()
            .await
            .refused(422, "request.malformed");
    }
    for body in [json!({"status": "live"}), json!({"channel_id": "x"}), json!({"title": "t", "views": 5})] {
        let call = site.call("PATCH", "/api/v1/me/stream").bearer(&member.token).json(body);
        call.send().await.refused(422, "request.malformed");
    }
    let me = site.get("/api/v1/me").bearer(&member.token).send().await.expect(200);
    assert_eq!((me.json["role"].as_str(), me.json["display_name"].as_str()), (Some("user"), Some("mallory")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_or_is_too_large_is_refused() {
    let site = Site::start().await;
    let form = site.post("/api/v1/auth/login").header("content-type", "application/x-www-form-urlencoded");
    form.body("login=a&password=b").send().await.refused(422, "request.not-json");
    let text = site.post("/api/v1/auth/login").header("content-type", "text/plain");
    text.body(r#"{"login":"a","password":"b"}"#).send().await.refused(422, "request.not-json");
    let broken = site.post("/api/v1/auth/login").header("content-type", "application/json; charset=utf-8");
    broken.body("{\"login\":").send().await.refused(422, "request.malformed");
    let huge = json!({"login": "a", "password": "x".repeat(300 * 1024)});
    site.post("/api/v1/auth/login").json(huge).send().await.refused(413, "request.too-large");
    let deep = site.post("/api/v1/auth/login").header("content-type", "application/json");
    deep.body("[".repeat(100_000)).send().await.refused(422, "request.malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_name_answer_alike() {
    let site = Site::start().await;
    site.register("alice").await;
    let login = |login: &'static str| {
        let body = json!({"login": login, "password": "wrong password here"});
        site.post("/api/v1/auth/login").json(body).send()
    };
    let known = login("alice").await.refused(401, "auth.wrong-credentials");
    for unknown in ["bob", "alice@nowhere.test", "alice@mail.test", "' OR 1=1 --", "\0"] {
        let unknown = login(unknown).await;
        assert_eq!((unknown.status, &unknown.body), (known.status, &known.body));
    }
    assert_eq!(site.login("ALICE").await.username, "alice");
    assert_eq!(site.login("Alice@Mail.test").await.username, "alice");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_failures_lock_one_account_known_or_not_and_no_other() {
    let mut setup = Setup::new();
    setup.config.limits.login_failures_per_account = 3;
    let site = setup.start().await;
    site.register("alice").await;
    site.register("bob").await;
    for name in ["alice", "nobody"] {
        let body = json!({"login": name, "password": "wrong password here"});
        for _ in 0..3 {
            site.post("/api/v1/auth/login").json(body.clone()).send().await.refused(401, "auth.wrong-credentials");
        }
        let locked = site.post("/api/v1/auth/login").json(body).send().await.refused(429, "auth.throttled");
        assert!(locked.header("retry-after").parse::<u64>().expect("seconds") > 60);
    }
    let right = json!({"login": "alice", "password": PASSWORD});
    site.post("/api/v1/auth/login").json(right).send().await.refused(429, "auth.throttled");
    site.login("bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_limited_and_cannot_pretend_to_be_another() {
    let mut setup = Setup::new();
    setup.config.limits.login_per_ip_per_minute = 3;
    setup.config.http.trusted_proxies = vec!["10.0.0.0/8".to_owned()];
    let site = setup.start().await;
    let attempt = || site.post("/api/v1/auth/login").json(json!({"login": "x", "password": "y"}));
    for left in ["2", "1", "0"] {
        let answer = attempt().send().await.refused(401, "auth.wrong-credentials");
        assert_eq!(answer.header("ratelimit-policy"), "\"login\";q=3;w=60");
        assert!(answer.header("ratelimit").starts_with(&format!("\"login\";r={left};")), "{:?}", answer.headers);
    }
    let refused = attempt().send().await.refused(429, "auth.throttled");
    assert!((1..=20).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
    let spoofed = attempt().header("x-forwarded-for", "198.51.100.1").send().await;
    spoofed.refused(429, "auth.throttled");
    // Behind a proxy we trust, each client has its own limit.
    let behind = |client: &str| attempt().from("10.0.0.1").header("x-forwarded-for", client);
    for _ in 0..3 {
        behind("9.9.9.9, 198.51.100.2").send().await.refused(401, "auth.wrong-credentials");
    }
    behind("7.7.7.7, 198.51.100.2").send().await.refused(429, "auth.throttled");
    behind("198.51.100.3").send().await.refused(401, "auth.wrong-credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_are_limited_and_can_be_closed() {
    let mut setup = Setup::new();
    setup.config.limits.register_per_ip_per_hour = 1;
    let site = setup.start().await;
    site.register("alice").await;
    let body = json!({"username": "bob", "email": "b@mail.test", "password": PASSWORD});
    site.post("/api/v1/auth/register").json(body.clone()).send().await.refused(429, "auth.throttled");
    let mut setup = Setup::new();
    setup.config.auth.is_registration_open = false;
    let closed = setup.start().await;
    closed.post("/api/v1/auth/register").json(body).send().await.refused(403, "auth.registration-closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_only_where_it_is_told_to() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let patch = |body: Value| site.call("PATCH", "/api/v1/me").bearer(&alice.token).json(body).send();
    let changed = patch(json!({"bio": "I paint."})).await.expect(200);
    assert_eq!(
        (changed.json["bio"].as_str(), changed.json["display_name"].as_str()),
        (Some("I paint."), Some("alice"))
    );
    let changed = patch(json!({"display_name": " Alice \u{202e}"})).await.expect(200);
    assert_eq!(
        (changed.json["bio"].as_str(), changed.json["display_name"].as_str()),
        (Some("I paint."), Some("Alice"))
    );
    patch(json!({"bio": "x".repeat(1_001)})).await.refused(422, "request.invalid");
    patch(json!({"bio": "a\u{0}b"})).await.refused(422, "request.invalid");
    patch(json!({"display_name": "\u{200b}"})).await.refused(422, "request.invalid");
    assert_eq!(patch(json!({})).await.expect(200).json["bio"], "I paint.");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_makes_members_and_ends_their_sign_ins() {
    let site = Site::start().await;
    let new = api::accounts::NewUser {
        username: "admin".to_owned(),
        email: "root@mail.test".to_owned(),
        password: kit::Secret::new(PASSWORD),
        display_name: None,
        role: domain::user::Role::Admin,
    };
    let made = api::accounts::create_user(&site.pool, &site.config, new.clone()).await.expect("made");
    assert_eq!(made.username.as_str(), "admin");
    assert!(api::accounts::create_user(&site.pool, &site.config, new).await.is_err(), "once");
    let admin = site.login("admin").await;
    let me = site.get("/api/v1/me").bearer(&admin.token).send().await.expect(200);
    assert_eq!(me.json["role"], "admin");
    site.get("/api/v1/me/stream-key").bearer(&admin.token).send().await.expect(200);

    let other = site.login("admin").await;
    api::accounts::set_suspended(&site.pool, &site.live, &site.config, "admin", true).await.expect("suspended");
    // A token that was never used here is not in any memory of this process.
    site.get("/api/v1/me").bearer(&other.token).send().await.refused(401, "auth.invalid-token");
    let body = json!({"login": "admin", "password": PASSWORD});
    site.post("/api/v1/auth/login").json(body).send().await.refused(403, "account.suspended");
    site.get("/api/v1/channels/admin").send().await.refused(404, "channel.not-found");
    site.post("/api/v1/auth/refresh").cookie(&admin.cookie).send().await.refused(401, "auth.session-over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_is_nowhere_and_comes_back_as_it_was() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let boss = site.register_as("boss", "admin").await;
    site.call("PUT", "/api/v1/channels/alice/follow").bearer(&bob.token).send().await.expect(204);
    let (_, vod) = site.stream(&alice, "Evening", "ended", "ready").await;
    let vod = format!("/api/v1/vods/{vod}");
    let close = |token: String, password: &str| {
        site.post("/api/v1/me/close").bearer(&token).json(json!({ "password": password })).send()
    };
    let enter = |body: Value| site.post("/api/v1/auth/login").json(body).send();
    close(alice.token.clone(), "not the password").await.refused(403, "account.wrong-password");
    let other = site.login("alice").await;
    close(alice.token.clone(), PASSWORD).await.expect(204);
    for gone in [&alice, &other] {
        site.get("/api/v1/me").bearer(&gone.token).send().await.refused(401, "auth.invalid-token");
        site.post("/api/v1/auth/refresh").cookie(&gone.cookie).send().await.refused(401, "auth.session-over");
    }
    site.get("/api/v1/channels/alice").send().await.refused(404, "channel.not-found");
    site.get(&vod).bearer(&bob.token).send().await.refused(404, "vod.not-found");
    let found = site.get("/api/v1/admin/users?q=alice").bearer(&boss.token).send().await.expect(200).json;
    let found = &found["items"][0];
    assert_eq!((&found["is_closed"], &found["is_suspended"]), (&json!(true), &json!(false)));
    let suspended = site.get("/api/v1/admin/users?suspended=true").bearer(&boss.token).send().await.expect(200).json;
    assert_eq!(suspended["items"], json!([]));

    // Nobody learns of it without the password, and nobody opens it by mistake.
    enter(json!({"login": "alice", "password": "not hers", "reopen": true}))
        .await
        .refused(401, "auth.wrong-credentials");
    enter(json!({"login": "alice", "password": PASSWORD})).await.refused(403, "account.closed");
    site.get("/api/v1/channels/alice").send().await.refused(404, "channel.not-found");

    // Whoever is suspended does not come back that way.
    site.sql("UPDATE users SET is_barred = true WHERE username = 'alice'").await;
    enter(json!({"login": "alice", "password": PASSWORD, "reopen": true})).await.refused(403, "account.suspended");
    site.sql("UPDATE users SET is_barred = false WHERE username = 'alice'").await;
    enter(json!({"login": "alice", "password": PASSWORD, "reopen": true})).await.expect(200);
    let channel = site.get("/api/v1/channels/alice").send().await.expect(200).json;
    assert_eq!(channel["followers_count"], 1);
    site.get(&vod).bearer(&bob.token).send().await.expect(200);
    enter(json!({"login": "alice", "password": PASSWORD})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_air_or_the_last_administrator_does_not_close() {
    let site = Site::start().await;
    let (boss, second) = (site.register_as("boss", "admin").await, site.register_as("second", "admin").await);
    let alice = site.register("alice").await;
    let close = |token: String| site.post("/api/v1/me/close").bearer(&token).json(json!({"password": PASSWORD})).send();
    site.stream(&alice, "Morning", "live", "recording").await;
    close(alice.token.clone()).await.refused(409, "account.on-air");
    site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200);
    // At once: one of them stays.
    let (one, other) = tokio::join!(close(boss.token.clone()), close(second.token.clone()));
    let mut answers = [one.status.as_u16(), other.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [204, 409]);
}
