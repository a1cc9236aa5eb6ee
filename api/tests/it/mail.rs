//! Who is written to, and how it ends.

use domain::UserId;
use domain::notification::NotificationType;
use kit::Secret;
use kit::mail_links::MailLinks;
use serde_json::{Value, json};

use crate::harness::{Member, SECRET, Setup, Site};

const SETTINGS: &str = "/api/v1/me/notification-settings";
const CONFIRM: &str = "/api/v1/mail/confirm";

async fn site() -> Site {
    let mut setup = Setup::new();
    setup.config.mail.url = Secret::new("smtp://127.0.0.1:9");
    setup.start().await
}

fn links() -> MailLinks {
    MailLinks::new(&Secret::new(SECRET))
}

fn id(member: &Member) -> UserId {
    member.id.parse().expect("an id")
}

async fn settings(site: &Site, member: &Member) -> Value {
    site.get(SETTINGS).bearer(&member.token).send().await.expect(200).json
}

fn wants(settings: &Value, kind: &str, way: &str) -> bool {
    let types = settings["types"].as_array().expect("types");
    types.iter().find(|one| one["type"] == kind).expect("the kind")[way].as_bool().expect("yes or no")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_written_to_once_its_reader_said_yes() {
    let site = site().await;
    let alice = site.register("alice").await;
    let ask = || site.post("/api/v1/me/mail").bearer(&alice.token).send();
    let confirm = |token: String| site.post(CONFIRM).json(json!({"token": token})).send();
    let mail = settings(&site, &alice).await["mail"].clone();
    let first = json!({
        "is_offered": true, "address": "alice@mail.test", "is_confirmed": false, "language": "en",
        "digest": {"every": "off", "hour": 8, "day": 1},
    });
    assert_eq!(mail, first);
    for _ in 0..3 {
        ask().await.expect(202);
    }
    ask().await.refused(429, "mail.too-many");
    assert_eq!(site.rows("SELECT 1 AS n FROM outbox WHERE kind = 'mail_asked'").await.len(), 3);

    let token = links().confirm(id(&alice), "alice@mail.test");
    let others = MailLinks::new(&Secret::new("another")).confirm(id(&alice), "alice@mail.test");
    let for_ending = links().unsubscribe(id(&alice), None);
    for bad in [others, for_ending, String::new(), links().confirm(id(&alice), "old@mail.test")] {
        confirm(bad).await.refused(404, "mail.bad-link");
    }
    assert_eq!(confirm(token.clone()).await.expect(200).json, json!({"address": "alice@mail.test"}));
    assert_eq!(settings(&site, &alice).await["mail"]["is_confirmed"], true);
    confirm(token.clone()).await.expect(200);

    // Another address is another question.
    site.sql("UPDATE users SET email = 'new@mail.test' WHERE username = 'alice'").await;
    assert_eq!(settings(&site, &alice).await["mail"]["is_confirmed"], false);
    confirm(token).await.refused(404, "mail.bad-link");
    confirm(links().confirm(id(&alice), "new@mail.test")).await.expect(200);
    site.call("DELETE", "/api/v1/me/mail").bearer(&alice.token).send().await.expect(204);
    assert_eq!(settings(&site, &alice).await["mail"]["is_confirmed"], false);

    site.post("/api/v1/me/mail").send().await.refused(401, "auth.required");
    let without = Site::start().await;
    let bob = without.register("bob").await;
    without.post("/api/v1/me/mail").bearer(&bob.token).send().await.refused(409, "mail.off");
    assert_eq!(settings(&without, &bob).await["mail"]["is_offered"], false);
}

/// RFC 8058: one POST of a form, without a cookie, a sign-in or a second question.
#[tokio::test(flavor = "multi_thread")]
async fn one_click_ends_mail_and_looking_ends_nothing() {
    let site = site().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    for member in [&alice, &bob] {
        let token = links().confirm(id(member), &format!("{}@mail.test", member.username));
        site.post(CONFIRM).json(json!({"token": token})).send().await.expect(200);
    }
    let token = links().unsubscribe(id(&alice), Some(NotificationType::StreamOnline));
    let path = format!("/api/v1/mail/unsubscribe?token={token}");
    let looked = site.get(&path).send().await.expect(303);
    assert_eq!(looked.header("location"), format!("/unsubscribe?token={token}"));
    assert!(wants(&settings(&site, &alice).await, "stream_online", "mail"));

    let click = |path: &str| {
        let call = site.post(path).header("content-type", "application/x-www-form-urlencoded");
        call.body("List-Unsubscribe=One-Click").send()
    };
    assert_eq!(click(&path).await.expect(200).json, json!({"type": "stream_online"}));
    assert_eq!(click(&path).await.expect(200).json, json!({"type": "stream_online"}), "twice is once");
    let after = settings(&site, &alice).await;
    assert!(!wants(&after, "stream_online", "mail") && wants(&after, "stream_online", "push"), "{after}");
    assert!(wants(&after, "friend_request", "mail"), "{after}");
    assert_eq!(click(&format!("{path}&all=true")).await.expect(200).json, json!({"type": null}));
    assert_eq!(settings(&site, &alice).await["mail"]["is_confirmed"], false);

    let bobs = settings(&site, &bob).await;
    assert!(wants(&bobs, "stream_online", "mail") && bobs["mail"]["is_confirmed"] == true, "everybody for themselves");
    for bad in ["", "x.y", &links().confirm(id(&bob), "bob@mail.test")] {
        click(&format!("/api/v1/mail/unsubscribe?token={bad}")).await.refused(404, "mail.bad-link");
    }
    let odd = site.get("/api/v1/mail/unsubscribe?token=a%0d%0aSet-Cookie:x").send().await.expect(303);
    assert_eq!(odd.header("location"), "/unsubscribe?token=");
    // Of a member who is suspended: it holds when they are back.
    site.sql("UPDATE users SET is_barred = true WHERE username = 'bob'").await;
    let bobs = links().unsubscribe(id(&bob), Some(NotificationType::VodReady));
    click(&format!("/api/v1/mail/unsubscribe?token={bobs}")).await.expect(200);
    site.sql("UPDATE users SET is_barred = false WHERE username = 'bob'").await;
    assert!(!wants(&settings(&site, &bob).await, "vod_ready", "mail"));
    // Of a member who is gone.
    let gone = links().unsubscribe(UserId::from_uuid(kit::ids::uuid()), Some(NotificationType::VodReady));
    click(&format!("/api/v1/mail/unsubscribe?token={gone}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_wanted_or_not_in_each_way() {
    let site = site().await;
    let alice = site.register("alice").await;
    let change = |body: Value| site.call("PATCH", SETTINGS).bearer(&alice.token).json(body).send();
    let before = settings(&site, &alice).await;
    assert!(wants(&before, "new_follower", "push") && !wants(&before, "new_follower", "mail"), "{before}");
    let body = json!({
        "types": [
            {"type": "new_follower", "mail": true, "push": false},
            {"type": "recording_stopped", "mail": false},
        ],
        "mail_language": "vi",
    });
    let after = change(body).await.expect(200).json;
    assert!(wants(&after, "new_follower", "mail") && !wants(&after, "new_follower", "push"), "{after}");
    assert!(wants(&after, "new_follower", "in_app") && !wants(&after, "recording_stopped", "mail"), "{after}");
    assert_eq!(after["mail"]["language"], "vi");
    assert_eq!(settings(&site, &alice).await, after);
    change(json!({"types": [{"type": "weather", "mail": true}]})).await.refused(422, "request.invalid");
    change(json!({"mail_language": "tlh"})).await.refused(422, "request.invalid");
    change(json!({"types": [{"type": "vod_ready", "fax": true}]})).await.refused(422, "request.malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_and_collected_mail_are_everybodys_own() {
    let site = site().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let change = |body: Value| site.call("PATCH", SETTINGS).bearer(&alice.token).json(body).send();
    let before = settings(&site, &alice).await;
    assert_eq!((&before["time_zone"], &before["quiet_hours"]), (&json!("UTC"), &Value::Null));
    assert_eq!(before["mail"]["digest"], json!({"every": "off", "hour": 8, "day": 1}));
    let night = json!({"from": "22:30", "to": "07:00"});
    let weekly = json!({"every": "weekly", "hour": 18, "day": 5});
    let body = json!({"time_zone": "Asia/Ho_Chi_Minh", "quiet_hours": night, "mail_digest": weekly});
    let after = change(body).await.expect(200).json;
    assert_eq!(after, settings(&site, &alice).await);
    assert_eq!((&after["time_zone"], &after["quiet_hours"]), (&json!("Asia/Ho_Chi_Minh"), &night));
    assert_eq!(after["mail"]["digest"], weekly);
    let bobs = settings(&site, &bob).await;
    assert_eq!((&bobs["quiet_hours"], &bobs["mail"]["digest"]), (&before["quiet_hours"], &before["mail"]["digest"]));
    // What is not mentioned stays; null is an end of it.
    let after = change(json!({"mail_language": "vi"})).await.expect(200).json;
    assert_eq!((&after["quiet_hours"], &after["mail"]["digest"]), (&night, &weekly));
    let after = change(json!({"quiet_hours": null})).await.expect(200).json;
    assert_eq!((&after["quiet_hours"], &after["time_zone"]), (&Value::Null, &json!("Asia/Ho_Chi_Minh")));

    for bad in [
        json!({"time_zone": "Mars/Olympus_Mons"}),
        json!({"time_zone": "EST"}),
        json!({"time_zone": "UTC'; DROP TABLE users"}),
        json!({"quiet_hours": {"from": "22:30", "to": "22:30"}}),
        json!({"quiet_hours": {"from": "25:00", "to": "07:00"}}),
        json!({"mail_digest": {"every": "daily", "hour": 24, "day": 1}}),
        json!({"mail_digest": {"every": "weekly", "hour": 8, "day": 0}}),
    ] {
        change(bad).await.refused(422, "request.invalid");
    }
    change(json!({"quiet_hours": {"from": "22:30"}})).await.refused(422, "request.malformed");
    change(json!({"mail_digest": {"every": "hourly", "hour": 8, "day": 1}})).await.refused(422, "request.malformed");
    assert_eq!(settings(&site, &alice).await, after);
}
