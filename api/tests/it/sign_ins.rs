//! The list of one's devices: whose they are, what they are called, and that ending one ends that one.

use serde_json::{Value, json};

use crate::harness::{Answer, Member, PASSWORD, Site};

const SESSIONS: &str = "/api/v1/me/sessions";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/26.1 Mobile/15E148 Safari/604.1";

async fn list(site: &Site, member: &Member) -> Vec<Value> {
    let answer = site.get(SESSIONS).bearer(&member.token).send().await.expect(200);
    let items = answer.json["items"].as_array().expect("items").clone();
    assert_eq!(answer.json["total"], items.len());
    assert_eq!(answer.json["next_cursor"], Value::Null);
    items
}

async fn id(site: &Site, member: &Member) -> String {
    list(site, member).await[0]["id"].as_str().expect("an id").to_owned()
}

/// Signs alice in with some program.
async fn enter(site: &Site, agent: &str) -> Member {
    let body = json!({"login": "alice", "password": PASSWORD});
    let call = site.post("/api/v1/auth/login").json(body).header("user-agent", agent).from("198.51.100.4");
    let answer = call.send().await.expect(200);
    Member {
        id: answer.json["user"]["id"].as_str().expect("an id").to_owned(),
        username: "alice".to_owned(),
        token: answer.json["access_token"].as_str().expect("a token").to_owned(),
        cookie: answer.cookie().expect("a cookie").0,
    }
}

async fn end(site: &Site, member: &Member, id: &str) -> Answer {
    site.call("DELETE", &format!("{SESSIONS}/{id}")).bearer(&member.token).send().await
}

async fn is_over(site: &Site, member: &Member) {
    site.get("/api/v1/me").bearer(&member.token).send().await.refused(401, "auth.invalid-token");
    site.post("/api/v1/auth/refresh").cookie(&member.cookie).send().await.refused(401, "auth.session-over");
}

async fn goes_on(site: &Site, member: &Member) {
    site.get("/api/v1/me").bearer(&member.token).send().await.expect(200);
    site.post("/api/v1/auth/refresh").cookie(&member.cookie).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_their_devices_and_nobody_elses() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let bob = site.register("bob").await;
    let phone = enter(&site, IPHONE).await;
    let desk = enter(&site, FIREFOX).await;

    let seen = list(&site, &phone).await;
    let systems: Vec<&Value> = seen.iter().map(|one| &one["system"]).collect();
    assert_eq!(systems, [&json!("iOS"), &json!("Linux"), &Value::Null], "this one, then those used last");
    let mut first = seen[0].clone();
    for moment in ["created_at", "last_used_at"] {
        assert!(first[moment].is_string());
        first[moment] = Value::Null;
    }
    let expected = json!({
        "id": seen[0]["id"], "name": null, "kind": "phone", "system": "iOS", "browser": "Safari",
        "address": "198.51.100.4", "place": null, "created_at": null, "last_used_at": null, "is_current": true,
    });
    assert_eq!(first, expected);
    assert_eq!((&seen[1]["kind"], &seen[1]["browser"]), (&json!("computer"), &json!("Firefox")));
    assert_eq!((&seen[2]["kind"], &seen[2]["is_current"]), (&json!("unknown"), &json!(false)));
    assert_eq!(list(&site, &bob).await.len(), 1);

    // A device is shown as it was when it was last used.
    let moved = site.post("/api/v1/auth/refresh").cookie(&desk.cookie).header("user-agent", FIREFOX);
    moved.from("2001:db8::7").send().await.expect(200);
    let seen = list(&site, &alice).await;
    assert_eq!((&seen[1]["system"], &seen[1]["address"]), (&json!("Linux"), &json!("2001:db8::7")));

    site.sql("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE user_agent LIKE '%iPhone%'").await;
    site.post("/api/v1/auth/logout").cookie(&desk.cookie).send().await.expect(204);
    assert_eq!(list(&site, &alice).await.len(), 1, "what is over is not shown");
    site.get(SESSIONS).send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_devices_are_shown_and_all_are_counted() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    site.sql(&format!(
        "INSERT INTO sessions (session_id, user_id, expires_at, last_used_at) \
         SELECT gen_random_uuid(), '{}', now() + interval '1 day', now() + interval '1 hour' FROM generate_series(1, 104)",
        alice.id
    ))
    .await;
    let answer = site.get(SESSIONS).bearer(&alice.token).send().await.expect(200).json;
    assert_eq!(answer["items"].as_array().expect("items").len(), 100);
    assert_eq!((&answer["total"], &answer["items"][0]["is_current"]), (&json!(105), &json!(true)));
    let ended = site.call("DELETE", SESSIONS).bearer(&alice.token).send().await.expect(200);
    assert_eq!(ended.json, json!({"ended": 104}));
    assert_eq!(list(&site, &alice).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_called_what_its_member_likes() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let bob = site.register("bob").await;
    let phone = enter(&site, IPHONE).await;
    let (own, other, foreign) = (id(&site, &alice).await, id(&site, &phone).await, id(&site, &bob).await);
    let call = async |id: &str, body: Value| {
        site.call("PATCH", &format!("{SESSIONS}/{id}")).bearer(&alice.token).json(body).send().await
    };
    let named = call(&other, json!({"name": "  Điện thoại\ncủa Linh "})).await.expect(200).json;
    assert_eq!((&named["name"], &named["is_current"]), (&json!("Điện thoại của Linh"), &json!(false)));
    assert_eq!(list(&site, &phone).await[0]["name"], "Điện thoại của Linh");
    // A name stays when the device comes back.
    site.post("/api/v1/auth/refresh").cookie(&phone.cookie).send().await.expect(200);
    assert_eq!(list(&site, &phone).await[0]["name"], "Điện thoại của Linh");
    assert_eq!(call(&other, json!({"name": null})).await.expect(200).json["name"], Value::Null);
    call(&own, json!({"name": "ế".repeat(60)})).await.expect(200);

    for bad in [json!(""), json!(" \n"), json!("\u{202e}"), json!("x".repeat(61))] {
        let refused = call(&own, json!({"name": bad})).await.refused(422, "request.invalid");
        assert_eq!(refused.json["errors"][0]["field"], "name");
    }
    call(&own, json!({})).await.refused(422, "request.malformed");
    call(&own, json!({"name": 5})).await.refused(422, "request.malformed");
    let nobody = kit::ids::uuid().to_string();
    let gone = call(&nobody, json!({"name": "mine"})).await.refused(404, "session.not-found");
    assert_eq!(
        call(&foreign, json!({"name": "mine"})).await.refused(404, "session.not-found").json["detail"],
        gone.json["detail"]
    );
    assert_eq!(list(&site, &bob).await[0]["name"], Value::Null);
    end(&site, &alice, &other).await.expect(204);
    call(&other, json!({"name": "late"})).await.refused(404, "session.not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_device_is_out_and_the_others_are_not() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let bob = site.register("bob").await;
    let (phone, desk) = (enter(&site, IPHONE).await, enter(&site, FIREFOX).await);
    let (lost, foreign) = (id(&site, &phone).await, id(&site, &bob).await);

    end(&site, &alice, &foreign).await.refused(404, "session.not-found");
    end(&site, &alice, &kit::ids::uuid().to_string()).await.refused(404, "session.not-found");
    end(&site, &alice, "nonsense").await.expect(404);
    site.call("DELETE", &format!("{SESSIONS}/{lost}")).send().await.refused(401, "auth.required");
    goes_on(&site, &bob).await;

    assert!(end(&site, &desk, &lost).await.expect(204).cookie().is_none());
    is_over(&site, &phone).await;
    end(&site, &desk, &lost).await.refused(404, "session.not-found");
    for member in [&alice, &desk] {
        goes_on(&site, member).await;
    }
    // What the chat's sockets are closed by, on whatever node.
    let revocations = live::revocations::Revocations::new(site.live.clone(), 900);
    let session = lost.parse().expect("an id");
    assert_eq!(revocations.is_revoked(session, kit::ids::uuid()).await, Some(true));
    let reasons = site.rows("SELECT revoke_reason AS r FROM sessions WHERE revoked_at IS NOT NULL").await;
    assert_eq!(reasons, [json!({"r": "ended"})]);

    let own = id(&site, &desk).await;
    assert_eq!(end(&site, &desk, &own).await.expect(204).cookie().expect("removed").0, "");
    is_over(&site, &desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_others_end_and_this_one_stays() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let bob = site.register("bob").await;
    let (phone, desk) = (enter(&site, IPHONE).await, enter(&site, FIREFOX).await);
    let end_others = async || site.call("DELETE", SESSIONS).bearer(&desk.token).send().await.expect(200).json;
    assert_eq!(end_others().await, json!({"ended": 2}));
    for member in [&alice, &phone] {
        is_over(&site, member).await;
    }
    for member in [&desk, &bob] {
        goes_on(&site, member).await;
    }
    assert_eq!(end_others().await, json!({"ended": 0}));
    site.call("DELETE", SESSIONS).send().await.refused(401, "auth.required");
}

/// What the outbox holds of sign-ins that may be somebody else's.
async fn told(site: &Site) -> Vec<Value> {
    let query = "SELECT kind, payload->>'from' AS \"from\" FROM outbox
                  WHERE kind IN ('signed_in_anew', 'sign_in_stolen') ORDER BY outbox_id";
    site.rows(query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_from_where_they_were_never_seen_is_told_of() {
    let site = Site::start().await;
    site.register("alice").await;
    let login = |agent: &'static str, from: &'static str, device: Option<&str>| {
        let body = json!({"login": "alice", "password": PASSWORD});
        let call = site.post("/api/v1/auth/login").json(body).header("user-agent", agent).from(from);
        match device {
            Some(device) => call.header("cookie", &format!("rillcast_device={device}")).send(),
            None => call.send(),
        }
    };
    let first = login(IPHONE, "198.51.100.4", None).await.expect(200);
    let anew = |from: &str| json!({"kind": "signed_in_anew", "from": from});
    let mut expected = vec![anew("Safari \u{b7} iOS \u{b7} 198.51.100.4")];
    assert_eq!(told(&site).await, expected);
    let (device, attributes) = first.cookie_named("rillcast_device").expect("a cookie of the device");
    for needed in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/auth"] {
        assert!(attributes.contains(needed), "{needed}: {attributes}");
    }

    // The same browser in the same network, and with its cookie anywhere.
    login(IPHONE, "198.51.100.77", None).await.expect(200);
    let again = login(FIREFOX, "203.0.113.9", Some(&device)).await.expect(200);
    assert_eq!(again.cookie_named("rillcast_device").expect("it is kept").0, device);
    assert_eq!(told(&site).await, expected);

    // Another browser there, the same one elsewhere, and one with a cookie nobody gave it.
    login(FIREFOX, "198.51.100.4", None).await.expect(200);
    login(IPHONE, "192.0.2.1", None).await.expect(200);
    let forged = "0123456789abcdef0123456789abcdef";
    login(IPHONE, "2001:db8::1", Some(forged)).await.expect(200);
    let odd = login(IPHONE, "2001:db8::2", Some("<odd>")).await.expect(200);
    assert_ne!(odd.cookie_named("rillcast_device").expect("a new one").0, "<odd>");
    expected.push(anew("Firefox \u{b7} Linux \u{b7} 198.51.100.4"));
    expected.push(anew("Safari \u{b7} iOS \u{b7} 192.0.2.1"));
    expected.push(anew("Safari \u{b7} iOS \u{b7} 2001:db8::1"));
    assert_eq!(told(&site).await, expected);
}

/// E2: the victim is told.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_robbed_of_a_sign_in_is_told() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let next = site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.expect(200);
    site.post("/api/v1/auth/refresh").cookie(&next.cookie().unwrap().0).send().await.expect(200);
    site.sql("UPDATE refresh_tokens SET used_at = used_at - interval '1 minute'").await;
    site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.refused(401, "auth.session-over");
    assert_eq!(told(&site).await, [json!({"kind": "sign_in_stolen", "from": null})]);
}
