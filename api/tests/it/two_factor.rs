//! Two-factor sign-in: turned on, used, lost, turned off.

use futures::future::join_all;
use kit::Secret;
use serde_json::{Value, json};
use totp_rs::{Builder, Totp};

use crate::harness::{Answer, Member, PASSWORD, Setup, Site};

const OWN: &str = "/api/v1/me/two-factor";
const LOGIN: &str = "/api/v1/auth/login";
const SECOND: &str = "/api/v1/auth/login/second-step";

/// A site that sends mail.
async fn site() -> Site {
    let mut setup = Setup::new();
    setup.config.mail.url = Secret::new("smtp://127.0.0.1:9");
    setup.start().await
}

fn app_of(secret: &str) -> Totp {
    let secret = totp_rs::Secret::try_from_base32(secret).expect("base32");
    Builder::new().with_secret(secret).build().expect("a good secret")
}

fn code(app: &Totp) -> String {
    app.generate(kit::clock::unix_seconds()).to_string()
}

/// A code that is nowhere near.
fn wrong(app: &Totp) -> String {
    let now = kit::clock::unix_seconds();
    let near: Vec<String> = (0..5).map(|step| app.generate(now - 60 + step * 30).to_string()).collect();
    (0..10).map(|n| format!("00000{n}")).find(|code| !near.contains(code)).expect("of ten one is wrong")
}

async fn post(site: &Site, who: &Member, path: &str, body: Value) -> Answer {
    site.post(&format!("{OWN}{path}")).bearer(&who.token).json(body).send().await
}

/// Turns it on. Returns the app and the recovery codes. The code that confirmed it counts as one from before.
async fn turn_on(site: &Site, who: &Member) -> (Totp, Vec<String>) {
    let setup = post(site, who, "", json!({"password": PASSWORD})).await.expect(200);
    let app = app_of(setup.json["secret"].as_str().expect("a secret"));
    let done = post(site, who, "/confirm", json!({"code": code(&app)})).await.expect(200);
    let codes = done.json["recovery_codes"].as_array().expect("codes");
    forget_steps(site).await;
    (app, codes.iter().map(|code| code.as_str().expect("text").to_owned()).collect())
}

/// As if half a minute had passed since the last code.
async fn forget_steps(site: &Site) {
    site.sql("UPDATE two_factor SET last_step = 0").await;
}

async fn first(site: &Site, login: &str, body: Value) -> String {
    let mut whole = json!({"login": login, "password": PASSWORD});
    whole.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
    let answer = site.post(LOGIN).json(whole).send().await.expect(202);
    assert!(answer.cookie().is_none() && answer.json["access_token"].is_null());
    assert_eq!(answer.json["expires_in"], 300);
    answer.json["second_step_token"].as_str().expect("a token").to_owned()
}

async fn second(site: &Site, token: &str, code: &str) -> Answer {
    site.post(SECOND).json(json!({"token": token, "code": code})).send().await
}

async fn view(site: &Site, who: &Member) -> (bool, i64) {
    let own = site.get(OWN).bearer(&who.token).send().await.expect(200);
    assert_eq!(own.json["since"].is_null(), !own.json["is_on"].as_bool().expect("a flag"));
    (own.json["is_on"].as_bool().expect("a flag"), own.json["recovery_codes_left"].as_i64().expect("a number"))
}

async fn told(site: &Site) -> Vec<String> {
    let rows = site
        .rows("SELECT payload->>'change' AS c FROM outbox WHERE kind = 'two_factor_changed' ORDER BY outbox_id")
        .await;
    rows.iter().map(|row| row["c"].as_str().expect("text").to_owned()).collect()
}

async fn acts(site: &Site) -> Vec<String> {
    let rows = site.rows("SELECT action FROM audit_log WHERE action LIKE 'two_factor.%' ORDER BY at, entry_id").await;
    rows.iter().map(|row| row["action"].as_str().expect("text").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_turned_on_with_password_and_code_and_asked_for_from_then_on() {
    let site = site().await;
    let alice = site.register("alice").await;
    assert_eq!(view(&site, &alice).await, (false, 0));
    post(&site, &alice, "", json!({"password": "not my password"})).await.refused(403, "account.wrong-password");
    post(&site, &alice, "/confirm", json!({"code": "000000"})).await.refused(409, "two-factor.nothing-pending");

    let setup = post(&site, &alice, "", json!({"password": PASSWORD})).await.expect(200);
    let secret = setup.json["secret"].as_str().expect("a secret");
    assert_eq!(setup.json["otpauth_url"], format!("otpauth://totp/tv.test:alice?secret={secret}&issuer=tv.test"));
    assert!(setup.json["qr_svg"].as_str().expect("a picture").contains("<svg"));
    assert_eq!(setup.header("cache-control"), "no-store");
    // Not in force before it is confirmed; begun again, the first secret is good for nothing.
    site.login("alice").await;
    let old = app_of(secret);
    let setup = post(&site, &alice, "", json!({"password": PASSWORD})).await.expect(200);
    let app = app_of(setup.json["secret"].as_str().expect("a secret"));
    post(&site, &alice, "/confirm", json!({"code": code(&old)})).await.refused(403, "two-factor.wrong-code");
    post(&site, &alice, "/confirm", json!({"code": wrong(&app)})).await.refused(403, "two-factor.wrong-code");
    let confirmed = code(&app);
    let done = post(&site, &alice, "/confirm", json!({"code": confirmed})).await.expect(200);
    let codes = done.json["recovery_codes"].as_array().expect("codes");
    assert_eq!(codes.len(), 10);
    assert_eq!(view(&site, &alice).await, (true, 10));
    post(&site, &alice, "", json!({"password": PASSWORD})).await.refused(409, "two-factor.on");
    post(&site, &alice, "/confirm", json!({"code": code(&app)})).await.refused(409, "two-factor.nothing-pending");
    // Nobody was signed out, and both were written down.
    site.post("/api/v1/auth/refresh").cookie(&alice.cookie).send().await.expect(200);
    assert_eq!((told(&site).await, acts(&site).await), (vec!["on".to_owned()], vec!["two_factor.enabled".to_owned()]));
    // Nothing of it is in the clear.
    let stored = site.rows("SELECT encode(secret, 'escape') AS s FROM two_factor").await;
    assert!(!stored[0]["s"].as_str().expect("text").contains(setup.json["secret"].as_str().expect("text")));
    let hashes = site.rows("SELECT encode(code_hash, 'escape') AS h FROM recovery_codes").await;
    let plain = codes[0].as_str().expect("text").replace('-', "");
    assert!(hashes.iter().all(|row| !row["h"].as_str().expect("text").contains(&plain)));

    let token = first(&site, "alice", json!({})).await;
    // The code that confirmed it is spent.
    second(&site, &token, &confirmed).await.refused(401, "auth.wrong-code");
    forget_steps(&site).await;
    let entered = second(&site, &token, &code(&app)).await.expect(200);
    assert_eq!(entered.json["user"]["username"], "alice");
    assert!(entered.cookie().expect("a cookie").1.contains("HttpOnly"));
    let token = entered.json["access_token"].as_str().expect("a token");
    site.get("/api/v1/me").bearer(token).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once_also_for_two_who_come_at_once() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (app, codes) = turn_on(&site, &alice).await;
    let sessions = async || site.rows("SELECT session_id FROM sessions").await.len();
    let before = sessions().await;
    let tokens = [first(&site, "alice", json!({})).await, first(&site, "alice", json!({})).await];
    let now = code(&app);
    for code in [now.as_str(), codes[0].as_str()] {
        let answers = join_all(tokens.iter().map(|token| second(&site, token, code))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{code}");
        second(&site, &tokens[0], code).await.refused(401, "auth.wrong-code");
    }
    assert_eq!(sessions().await, before + 2);
    assert_eq!(view(&site, &alice).await, (true, 9));
    // The code of the step before is spent with it.
    let earlier = app.generate(kit::clock::unix_seconds() - 30).to_string();
    second(&site, &tokens[0], &earlier).await.refused(401, "auth.wrong-code");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_for_the_account_and_answers_are_alike() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let (app, _) = turn_on(&site, &alice).await;
    turn_on(&site, &bob).await;
    // Two were taken by turning it on; a fresh start for each.
    let token = first(&site, "alice", json!({})).await;
    let mut bodies = Vec::new();
    let mut refused = 0;
    for attempt in 0..12 {
        let typed = if attempt % 2 == 0 { wrong(&app) } else { "aaaa-bbbb-cccc".to_owned() };
        let from = format!("198.51.100.{attempt}");
        let answer = site.post(SECOND).from(&from).json(json!({"token": token, "code": typed})).send().await;
        if answer.status == 429 {
            assert!(!answer.header("retry-after").is_empty());
            refused += 1;
        } else {
            bodies.push(answer.refused(401, "auth.wrong-code").body);
        }
    }
    assert!(bodies.len() <= 10 && refused >= 2, "{} judged, {refused} refused", bodies.len());
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    // The right one waits too, a fresh token is no way around, and nobody else does.
    let fresh = first(&site, "alice", json!({})).await;
    second(&site, &fresh, &code(&app)).await.refused(429, "auth.throttled");
    let token = first(&site, "bob", json!({})).await;
    second(&site, &token, "000").await.refused(401, "auth.wrong-code");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_way_around_the_count() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (app, _) = turn_on(&site, &alice).await;
    let token = first(&site, "alice", json!({})).await;
    let answers = join_all((0..30).map(|_| second(&site, &token, "aaaa-bbbb-cccc"))).await;
    let judged = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((1..=10).contains(&judged), "{judged}");
    second(&site, &token, &code(&app)).await.refused(429, "auth.throttled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_of_the_two_steps_do_not_stand_in_for_each_other() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (app, _) = turn_on(&site, &alice).await;
    let token = first(&site, "alice", json!({})).await;
    site.get("/api/v1/me").bearer(&token).send().await.refused(401, "auth.invalid-token");
    site.post("/api/v1/auth/refresh").cookie(&token).send().await.expect(401);
    let now = code(&app);
    for bad in [alice.token.as_str(), alice.cookie.as_str(), "", "x.y.z", &token[..token.len() - 3]] {
        second(&site, bad, &now).await.refused(401, "auth.second-step-over");
    }
    // None of these took the code.
    second(&site, &token, &now).await.expect(200);
    let elsewhere =
        site.post(SECOND).header("origin", "https://evil.example").json(json!({"token": token, "code": now}));
    elsewhere.send().await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_are_made_anew_and_the_old_ones_are_over() {
    let site = site().await;
    let alice = site.register("alice").await;
    let (app, old) = turn_on(&site, &alice).await;
    let token = first(&site, "alice", json!({})).await;
    second(&site, &token, &old[0].to_uppercase().replace('-', " ")).await.expect(200);
    assert_eq!(view(&site, &alice).await, (true, 9));
    let renew = async |password: &str, code: &str| {
        post(&site, &alice, "/recovery-codes", json!({"password": password, "code": code})).await
    };
    renew("not my password", &code(&app)).await.refused(403, "account.wrong-password");
    renew(PASSWORD, &wrong(&app)).await.refused(403, "two-factor.wrong-code");
    assert_eq!(view(&site, &alice).await, (true, 9));
    let made = renew(PASSWORD, &code(&app)).await.expect(200);
    let fresh = made.json["recovery_codes"][3].as_str().expect("a code").to_owned();
    assert_eq!(view(&site, &alice).await, (true, 10));
    second(&site, &token, &old[1]).await.refused(401, "auth.wrong-code");
    second(&site, &token, &fresh).await.expect(200);
    assert_eq!(told(&site).await, ["on", "recovery_used", "new_codes", "recovery_used"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_turned_off_with_password_and_code() {
    let site = site().await;
    let alice = site.register("alice").await;
    let (app, codes) = turn_on(&site, &alice).await;
    let token = first(&site, "alice", json!({})).await;
    let off = async |password: &str, code: &str| {
        post(&site, &alice, "/off", json!({"password": password, "code": code})).await
    };
    off("not my password", &code(&app)).await.refused(403, "account.wrong-password");
    off(PASSWORD, &wrong(&app)).await.refused(403, "two-factor.wrong-code");
    off(PASSWORD, &codes[9]).await.expect(204);
    assert_eq!(view(&site, &alice).await, (false, 0));
    off(PASSWORD, &codes[8]).await.refused(409, "two-factor.off");
    second(&site, &token, &code(&app)).await.refused(401, "auth.second-step-over");
    site.login("alice").await;
    assert_eq!(told(&site).await, ["on", "off"]);
    assert_eq!(acts(&site).await, ["two_factor.enabled", "two_factor.disabled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_a_step_in_between_and_the_next_sign_in_is_asked_again() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (app, _) = turn_on(&site, &alice).await;
    let token = first(&site, "alice", json!({})).await;
    let next = "an entirely different horse 47";
    // As the link of a mail does it.
    let hash = &site.rows("SELECT email, password_hash FROM users").await[0];
    let links = kit::mail_links::MailLinks::new(&Secret::new(crate::harness::SECRET));
    let text = |field: &str| hash[field].as_str().expect("text");
    let expires = kit::clock::unix_seconds() + 60;
    let link = links.reset(alice.id.parse().expect("an id"), text("email"), text("password_hash"), expires);
    site.post("/api/v1/auth/reset").json(json!({"token": link, "new_password": next})).send().await.expect(204);
    second(&site, &token, &code(&app)).await.refused(401, "auth.second-step-over");
    let answer = site.post(LOGIN).json(json!({"login": "alice", "password": next})).send().await.expect(202);
    let token = answer.json["second_step_token"].as_str().expect("a token");
    second(&site, token, &code(&app)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_and_suspended_members_get_no_further_than_before() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let (app, _) = turn_on(&site, &alice).await;
    let token = first(&site, "alice", json!({})).await;
    site.post("/api/v1/me/close").bearer(&alice.token).json(json!({"password": PASSWORD})).send().await.expect(204);
    second(&site, &token, &code(&app)).await.refused(401, "auth.second-step-over");
    let shut = site.post(LOGIN).json(json!({"login": "alice", "password": PASSWORD})).send().await;
    shut.refused(403, "account.closed");
    let token = first(&site, "alice", json!({"reopen": true})).await;
    let closed = async || site.rows("SELECT user_id FROM users WHERE closed_at IS NOT NULL").await.len();
    assert_eq!(closed().await, 1, "the password alone opens nothing");
    second(&site, &token, &wrong(&app)).await.refused(401, "auth.wrong-code");
    assert_eq!(closed().await, 1);
    second(&site, &token, &code(&app)).await.expect(200);
    assert_eq!(closed().await, 0);

    forget_steps(&site).await;
    let token = first(&site, "alice", json!({})).await;
    site.sql("UPDATE users SET is_barred = true").await;
    second(&site, &token, &code(&app)).await.refused(401, "auth.second-step-over");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_and_the_operator_help_whoever_lost_everything() {
    let site = site().await;
    let alice = site.register("alice").await;
    let root = site.register_as("root_user", "admin").await;
    let mods = site.register_as("mods", "moderator").await;
    turn_on(&site, &alice).await;
    turn_on(&site, &root).await;
    let reset = async |who: &Member, name: &str, reason: &str| {
        let path = format!("/api/v1/admin/users/{name}/two-factor/reset");
        site.post(&path).bearer(&who.token).json(json!({"reason": reason})).send().await
    };
    reset(&mods, "alice", "asked by mail").await.refused(403, "auth.forbidden");
    reset(&alice, "alice", "I say so").await.refused(403, "auth.forbidden");
    reset(&root, "alice", "").await.refused(422, "request.invalid");
    reset(&root, "root_user", "mine").await.refused(403, "member.outranked");
    reset(&root, "nobody", "x").await.refused(404, "member.not-found");
    let seen = async |who: &Member| {
        let list = site.get("/api/v1/admin/users?q=alice").bearer(&who.token).send().await.expect(200);
        list.json["items"][0]["may_reset_two_factor"].as_bool().expect("a flag")
    };
    assert_eq!((seen(&root).await, seen(&mods).await), (true, false));
    let entry = reset(&root, "alice", "asked by mail").await.expect(200);
    assert_eq!((&entry.json["action"], &entry.json["reason"]), (&json!("two_factor.reset"), &json!("asked by mail")));
    reset(&root, "alice", "again").await.refused(409, "two-factor.off");
    assert!(!seen(&root).await);
    assert_eq!(view(&site, &alice).await, (false, 0));
    site.login("alice").await;
    let last = &site.rows("SELECT actor, member, reason FROM audit_log WHERE action = 'two_factor.reset'").await[0];
    assert_eq!(*last, json!({"actor": "root_user", "member": "alice", "reason": "asked by mail"}));

    api::accounts::reset_two_factor(&site.pool, &site.config, "root_user").await.expect("it was on");
    assert!(api::accounts::reset_two_factor(&site.pool, &site.config, "root_user").await.is_err());
    assert!(api::accounts::reset_two_factor(&site.pool, &site.config, "nobody").await.is_err());
    site.login("root_user").await;
    assert_eq!(told(&site).await, ["on", "on", "reset", "reset"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_waits_too_long_is_begun_anew() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let setup = post(&site, &alice, "", json!({"password": PASSWORD})).await.expect(200);
    let app = app_of(setup.json["secret"].as_str().expect("a secret"));
    site.sql("UPDATE two_factor SET begun_at = now() - interval '31 minutes'").await;
    post(&site, &alice, "/confirm", json!({"code": code(&app)})).await.refused(409, "two-factor.nothing-pending");
    turn_on(&site, &alice).await;
    assert_eq!(view(&site, &alice).await, (true, 10));
}
