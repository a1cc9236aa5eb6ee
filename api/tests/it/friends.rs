//! Friendships and blocks: two who ask each other meet, and of a block nobody hears.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, Site, names};

async fn friend(site: &Site, method: &str, who: &Member, other: &str) -> Answer {
    site.call(method, &format!("/api/v1/friends/{other}")).bearer(&who.token).send().await
}

async fn block(site: &Site, method: &str, who: &Member, other: &str) -> Answer {
    site.call(method, &format!("/api/v1/me/blocks/{other}")).bearer(&who.token).send().await
}

async fn state(site: &Site, who: &Member, other: &str) -> Value {
    friend(site, "GET", who, other).await.expect(200).json["state"].clone()
}

async fn list(site: &Site, who: &Member, of: &str) -> Answer {
    site.get(&format!("/api/v1/friends?state={of}")).bearer(&who.token).send().await.expect(200)
}

async fn set_privacy(site: &Site, who: &Member, circle: &str) {
    let body = json!({"friend_requests": circle});
    site.call("PATCH", "/api/v1/me/privacy").bearer(&who.token).json(body).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_until_it_is_answered() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    for _ in 0..2 {
        assert_eq!(friend(&site, "PUT", &alice, "BOB").await.expect(200).json["state"], "outgoing");
    }
    assert_eq!(
        (state(&site, &alice, "bob").await, state(&site, &bob, "alice").await),
        (json!("outgoing"), json!("incoming"))
    );
    assert_eq!(names(&list(&site, &alice, "outgoing").await, "username"), ["bob"]);
    let incoming = list(&site, &bob, "incoming").await;
    assert_eq!((names(&incoming, "username"), &incoming.json["incoming_count"]), (vec!["alice".to_owned()], &json!(1)));
    assert_eq!(friend(&site, "PUT", &bob, "alice").await.expect(200).json["state"], "accepted");
    for who in [&alice, &bob] {
        assert_eq!(list(&site, who, "accepted").await.json["items"].as_array().unwrap().len(), 1);
        assert_eq!(list(&site, who, "incoming").await.json["incoming_count"], 0);
    }
    let told = site
        .rows("SELECT kind, payload->>'user_id' AS who, payload->>'asker_id' AS asker FROM outbox WHERE kind LIKE 'friend%' ORDER BY 1 DESC")
        .await;
    assert_eq!(
        told,
        [
            json!({"kind": "friend_asked", "who": bob.id, "asker": alice.id}),
            json!({"kind": "friend_accepted", "who": bob.id, "asker": alice.id}),
        ]
    );
    for _ in 0..2 {
        friend(&site, "DELETE", &alice, "bob").await.expect(204);
    }
    assert_eq!((state(&site, &alice, "bob").await, state(&site, &bob, "alice").await), (json!("none"), json!("none")));
    friend(&site, "PUT", &alice, "alice").await.refused(409, "friend.self");
    friend(&site, "PUT", &alice, "nobody").await.refused(404, "member.not-found");
    site.get("/api/v1/friends").send().await.refused(401, "auth.required");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_ask_each_other_at_once_are_friends() {
    let site = Site::start().await;
    for round in 0..8 {
        let (one, two) = (site.register(&format!("one{round}")).await, site.register(&format!("two{round}")).await);
        let (first, second) =
            tokio::join!(friend(&site, "PUT", &one, &two.username), friend(&site, "PUT", &two, &one.username),);
        let mut states = [first.expect(200).json["state"].clone(), second.expect(200).json["state"].clone()];
        states.sort_by_key(ToString::to_string);
        assert_eq!(states, [json!("accepted"), json!("outgoing")], "one came first");
        assert_eq!(state(&site, &one, &two.username).await, "accepted");
    }
    assert_eq!(site.rows("SELECT count(*)::int AS n FROM bonds").await, [json!({"n": 8})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_ends_everything_and_is_told_to_nobody() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    friend(&site, "PUT", &alice, "bob").await.expect(200);
    friend(&site, "PUT", &bob, "alice").await.expect(200);
    site.sql(&format!(
        "INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id) \
         VALUES (gen_random_uuid(), '{}', 'new_follower', 'x', 'user', '{}')",
        alice.id, bob.id
    ))
    .await;
    site.sql(&format!(
        "INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id, actor_id, channel_id) \
         VALUES (gen_random_uuid(), '{}', 'mention', 'x', 'message', gen_random_uuid(), '{}', '{}')",
        bob.id, alice.id, carol.id
    ))
    .await;
    for _ in 0..2 {
        block(&site, "PUT", &alice, "bob").await.expect(204);
    }
    assert_eq!(site.rows("SELECT 1 AS one FROM notifications").await.len(), 0);
    assert_eq!(list(&site, &bob, "accepted").await.json["items"], json!([]));
    // Carol takes no requests; Bob cannot tell the one from the other.
    set_privacy(&site, &carol, "nobody").await;
    let (of_alice, of_carol) = (friend(&site, "GET", &bob, "alice").await, friend(&site, "GET", &bob, "carol").await);
    assert_eq!(of_alice.json, of_carol.json);
    assert_eq!(of_alice.json, json!({"state": "none", "may_ask": false}));
    let (to_alice, to_carol) = (friend(&site, "PUT", &bob, "alice").await, friend(&site, "PUT", &bob, "carol").await);
    let plain = |answer: Answer| {
        let mut answer = answer.refused(403, "friend.not-accepting").json;
        let body = answer.as_object_mut().unwrap();
        body.remove("request_id");
        body.remove("instance");
        answer
    };
    assert_eq!(plain(to_alice), plain(to_carol));
    assert_eq!(state(&site, &alice, "bob").await, "blocked");
    friend(&site, "PUT", &alice, "bob").await.refused(409, "friend.blocked");
    site.get("/api/v1/channels/alice").bearer(&bob.token).send().await.expect(200);
    let mine = site.get("/api/v1/me/blocks").bearer(&alice.token).send().await.expect(200);
    assert_eq!(names(&mine, "username"), ["bob"]);
    // Both may block; each takes back only their own.
    block(&site, "PUT", &bob, "alice").await.expect(204);
    block(&site, "DELETE", &alice, "bob").await.expect(204);
    assert_eq!(state(&site, &alice, "bob").await, "none");
    friend(&site, "PUT", &alice, "bob").await.refused(403, "friend.not-accepting");
    block(&site, "DELETE", &bob, "alice").await.expect(204);
    assert_eq!(friend(&site, "PUT", &alice, "bob").await.expect(200).json["state"], "outgoing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_and_a_request_at_once_leave_no_friendship() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    for round in 0..8 {
        let other = site.register(&format!("other{round}")).await;
        friend(&site, "PUT", &other, "alice").await.expect(200);
        let (asked, blocked) =
            tokio::join!(friend(&site, "PUT", &alice, &other.username), block(&site, "PUT", &other, "alice"));
        assert!([200, 403].contains(&asked.status.as_u16()), "{}", asked.text());
        blocked.expect(204);
        assert_eq!(state(&site, &alice, &other.username).await, "none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_ask_is_the_members_own_choice() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let settings = || async { site.get("/api/v1/me/privacy").bearer(&alice.token).send().await.expect(200).json };
    let first = json!({"friend_requests": "everybody", "messages": "friends", "presence": "friends"});
    assert_eq!(settings().await, first);
    set_privacy(&site, &alice, "followed").await;
    let letters = json!({"messages": "nobody"});
    site.call("PATCH", "/api/v1/me/privacy").bearer(&alice.token).json(letters).send().await.expect(200);
    let now = json!({"friend_requests": "followed", "messages": "nobody", "presence": "friends"});
    assert_eq!(settings().await, now);
    friend(&site, "PUT", &bob, "alice").await.refused(403, "friend.not-accepting");
    site.call("PUT", "/api/v1/channels/bob/follow").bearer(&alice.token).send().await.expect(204);
    assert_eq!(friend(&site, "GET", &bob, "alice").await.json["may_ask"], true);
    friend(&site, "PUT", &bob, "alice").await.expect(200);
    // Whoever asks may be answered, whatever they take themselves.
    set_privacy(&site, &bob, "nobody").await;
    assert_eq!(friend(&site, "PUT", &alice, "bob").await.expect(200).json["state"], "accepted");
    let wrong = json!({"friend_requests": "cats"});
    site.call("PATCH", "/api/v1/me/privacy").bearer(&alice.token).json(wrong).send().await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_a_limit_an_hour_and_a_limit_of_those_that_wait() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    site.sql(
        "INSERT INTO users (user_id, username, display_name, email, password_hash) \
         SELECT gen_random_uuid(), 'm' || n, 'm' || n, 'm' || n || '@mail.test', 'x' FROM generate_series(100, 220) n; \
         INSERT INTO bonds (low_id, high_id, friendship, asked_by) \
         SELECT least(u.user_id, a.user_id), greatest(u.user_id, a.user_id), 'pending', a.user_id \
           FROM users a, users u WHERE a.username = 'alice' AND u.username BETWEEN 'm100' AND 'm198'",
    )
    .await;
    // Of three at once, for one there is room.
    let asked = join_all(["m200", "m201", "m202"].map(|other| friend(&site, "PUT", &alice, other))).await;
    let codes: Vec<u16> = asked.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 200).count(), 1, "{codes:?}");
    friend(&site, "PUT", &alice, "m203").await.refused(409, "friend.too-many");
    // To say yes there is always room.
    friend(&site, "PUT", &bob, "alice").await.expect(200);
    assert_eq!(friend(&site, "PUT", &alice, "bob").await.expect(200).json["state"], "accepted");
    for n in 0..19 {
        friend(&site, "PUT", &bob, &format!("m{}", 200 + n)).await.expect(200);
    }
    friend(&site, "PUT", &bob, "m219").await.refused(429, "friend.throttled");
    // A list of many comes in pages without gaps.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/friends?state=outgoing&limit=7&cursor={cursor}");
        let page = site.get(&path).bearer(&bob.token).send().await.expect(200);
        seen.extend(names(&page, "username"));
        match page.json["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, (200..219).map(|n| format!("m{n}")).collect::<Vec<_>>());
}
