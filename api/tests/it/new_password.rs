//! Another password: by the old one, and by a link in a mail.

use domain::UserId;
use kit::Secret;
use kit::mail_links::MailLinks;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, PASSWORD, SECRET, Setup, Site};

const NEXT: &str = "an entirely different horse 47";
const CHANGE: &str = "/api/v1/me/password";
const FORGOT: &str = "/api/v1/auth/forgot";
const RESET: &str = "/api/v1/auth/reset";

/// A site that sends mail.
async fn site() -> Site {
    let mut setup = Setup::new();
    setup.config.mail.url = Secret::new("smtp://127.0.0.1:9");
    setup.start().await
}

async fn change(site: &Site, member: &Member, current: &str, new: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": new});
    site.post(CHANGE).bearer(&member.token).json(body).send().await
}

async fn reset(site: &Site, token: &str, new: &str) -> Answer {
    site.post(RESET).json(json!({"token": token, "new_password": new})).send().await
}

async fn sign_in(site: &Site, password: &str) -> Answer {
    site.post("/api/v1/auth/login").json(json!({"login": "alice", "password": password})).send().await
}

async fn is_over(site: &Site, member: &Member) {
    site.get("/api/v1/me").bearer(&member.token).send().await.refused(401, "auth.invalid-token");
    site.post("/api/v1/auth/refresh").cookie(&member.cookie).send().await.refused(401, "auth.session-over");
}

async fn told(site: &Site) -> Vec<Value> {
    site.rows("SELECT payload->>'user_id' AS u FROM outbox WHERE kind = 'password_changed'").await
}

/// What the mail's link would carry now.
async fn link(site: &Site, member: &Member, expires_in_s: i64) -> String {
    let row = &site.rows(&format!("SELECT email, password_hash FROM users WHERE user_id = '{}'", member.id)).await[0];
    let expires = kit::clock::unix_seconds().checked_add_signed(expires_in_s).expect("a time");
    let user: UserId = member.id.parse().expect("an id");
    let text = |field: &str| row[field].as_str().expect("text").to_owned();
    MailLinks::new(&Secret::new(SECRET)).reset(user, &text("email"), &text("password_hash"), expires)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_all_other_devices() {
    let site = site().await;
    let alice = site.register("alice").await;
    let bob = site.register("bob").await;
    let other = site.login("alice").await;

    change(&site, &alice, "not my password", NEXT).await.refused(403, "account.wrong-password");
    for weak in ["short", "password", "alicealice", &"x".repeat(600)] {
        let refused = change(&site, &alice, PASSWORD, weak).await.refused(422, "request.invalid");
        assert_eq!(refused.json["errors"][0]["field"], "new_password");
    }
    site.get("/api/v1/me").bearer(&other.token).send().await.expect(200);
    assert!(told(&site).await.is_empty());

    change(&site, &alice, PASSWORD, NEXT).await.expect(204);
    is_over(&site, &other).await;
    for member in [&alice, &bob] {
        site.get("/api/v1/me").bearer(&member.token).send().await.expect(200);
        site.post("/api/v1/auth/refresh").cookie(&member.cookie).send().await.expect(200);
    }
    let reasons = site.rows("SELECT revoke_reason AS r FROM sessions WHERE revoked_at IS NOT NULL").await;
    assert_eq!(reasons, [json!({"r": "password"})]);
    assert_eq!(told(&site).await, [json!({"u": alice.id})]);
    sign_in(&site, PASSWORD).await.refused(401, "auth.wrong-credentials");
    sign_in(&site, NEXT).await.expect(200);
    site.post(CHANGE).json(json!({"current_password": NEXT, "new_password": PASSWORD})).send().await.expect(401);

    // Each attempt costs two hashes: there are ten in an hour.
    for _ in 0..4 {
        change(&site, &alice, "not my password", NEXT).await.refused(403, "account.wrong-password");
    }
    change(&site, &alice, NEXT, PASSWORD).await.refused(429, "auth.throttled");
    change(&site, &bob, "not my password", NEXT).await.refused(403, "account.wrong-password");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_wins() {
    let site = site().await;
    let alice = site.register("alice").await;
    let (one, two) =
        tokio::join!(change(&site, &alice, PASSWORD, NEXT), change(&site, &alice, PASSWORD, "quite another donkey 11"));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 403]);
    assert_eq!(told(&site).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_by_the_old_password_does_not_outlive_it() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let enter = async || sign_in(&site, PASSWORD).await;
    let (changed, late) = tokio::join!(change(&site, &alice, PASSWORD, NEXT), enter());
    changed.expect(204);
    // Whichever came first: it was refused, or was ended.
    if late.status == 200 {
        let token = late.json["access_token"].as_str().expect("a token");
        site.get("/api/v1/me").bearer(token).send().await.refused(401, "auth.invalid-token");
    } else {
        late.refused(401, "auth.wrong-credentials");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_who_has_an_account() {
    let site = site().await;
    site.register("alice").await;
    let ask = async |email: &str| site.post(FORGOT).json(json!({ "email": email })).from("198.51.100.9").send().await;
    let mut answers = Vec::new();
    for email in ["alice@mail.test", "nobody@mail.test", " ALICE@mail.test"] {
        let answer = ask(email).await.expect(202);
        let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((answer.body, headers));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // The same was done for each: who has the address is looked up elsewhere.
    let asked = site.rows("SELECT payload->>'email' AS e FROM outbox WHERE kind = 'reset_asked' ORDER BY 1").await;
    assert_eq!(
        asked,
        [json!({"e": "alice@mail.test"}), json!({"e": "alice@mail.test"}), json!({"e": "nobody@mail.test"})]
    );

    // Three mails an hour to one address; whoever asks is not told.
    for _ in 0..3 {
        ask("alice@mail.test").await.expect(202);
    }
    let sent = site.rows("SELECT 1 AS n FROM outbox WHERE payload->>'email' = 'alice@mail.test'").await;
    assert_eq!(sent.len(), 3);
    assert_eq!(ask("no address").await.refused(422, "request.invalid").json["errors"][0]["field"], "email");
    for number in 0..3 {
        ask(&format!("other{number}@mail.test")).await.expect(202);
    }
    ask("one-more@mail.test").await.refused(429, "auth.throttled");
    site.post(FORGOT).json(json!({"email": "alice@mail.test"})).send().await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_sets_a_password_once_and_ends_everything() {
    let site = site().await;
    let alice = site.register("alice").await;
    let bob = site.register("bob").await;
    let other = site.login("alice").await;
    let token = link(&site, &alice, 3_600).await;

    let [old, foreign] = [
        link(&site, &alice, 0).await,
        MailLinks::new(&Secret::new("another")).reset(
            alice.id.parse().expect("an id"),
            "alice@mail.test",
            "x",
            u64::MAX,
        ),
    ];
    let confirm = MailLinks::new(&Secret::new(SECRET)).confirm(alice.id.parse().expect("an id"), "alice@mail.test");
    let nobody = UserId::from_uuid(kit::ids::uuid());
    let ghost = MailLinks::new(&Secret::new(SECRET)).reset(nobody, "alice@mail.test", "x", u64::MAX);
    for bad in [old, foreign, confirm, ghost, String::new(), "x".repeat(5_000)] {
        reset(&site, &bad, NEXT).await.refused(404, "auth.bad-reset-link");
    }
    // A password that is refused does not use the link up.
    let weak = reset(&site, &token, "alicealice").await.refused(422, "request.invalid");
    assert_eq!(weak.json["errors"][0]["field"], "new_password");
    site.get("/api/v1/me").bearer(&alice.token).send().await.expect(200);

    reset(&site, &token, NEXT).await.expect(204);
    for member in [&alice, &other] {
        is_over(&site, member).await;
    }
    site.get("/api/v1/me").bearer(&bob.token).send().await.expect(200);
    assert_eq!(told(&site).await, [json!({"u": alice.id})]);
    sign_in(&site, PASSWORD).await.refused(401, "auth.wrong-credentials");
    sign_in(&site, NEXT).await.expect(200);
    reset(&site, &token, "quite another donkey 11").await.refused(404, "auth.bad-reset-link");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_the_password_the_address_or_the_membership() {
    let site = site().await;
    let alice = site.register("alice").await;
    let token = link(&site, &alice, 3_600).await;
    change(&site, &alice, PASSWORD, NEXT).await.expect(204);
    reset(&site, &token, PASSWORD).await.refused(404, "auth.bad-reset-link");

    let token = link(&site, &alice, 3_600).await;
    site.sql("UPDATE users SET email = 'new@mail.test' WHERE username = 'alice'").await;
    reset(&site, &token, PASSWORD).await.refused(404, "auth.bad-reset-link");

    let token = link(&site, &alice, 3_600).await;
    site.sql("UPDATE users SET is_barred = true WHERE username = 'alice'").await;
    reset(&site, &token, PASSWORD).await.refused(404, "auth.bad-reset-link");
    site.sql("UPDATE users SET is_barred = false WHERE username = 'alice'").await;

    // Of two who use one link at once, one has chosen the password.
    let (one, two) = tokio::join!(reset(&site, &token, PASSWORD), reset(&site, &token, "quite another donkey 11"));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_without_mail_does_not_offer_it() {
    let without = Site::start().await;
    let options = without.get("/api/v1/auth/options").send().await.expect(200).json;
    assert_eq!(options, json!({"is_registration_open": true, "is_reset_offered": false}));
    without.post(FORGOT).json(json!({"email": "alice@mail.test"})).send().await.refused(409, "mail.off");
    let alice = without.register("alice").await;
    change(&without, &alice, PASSWORD, NEXT).await.expect(204);
    assert!(told(&without).await.is_empty(), "there is nobody to tell it");
    let with = site().await;
    assert_eq!(with.get("/api/v1/auth/options").send().await.expect(200).json["is_reset_offered"], true);
}
