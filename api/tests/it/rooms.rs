//! Rooms: one per pair, groups with an owner, and for everybody else they are not there.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Member, Site, names};

async fn call(site: &Site, method: &str, who: &Member, path: &str, body: Option<Value>) -> Answer {
    let call = site.call(method, &format!("/api/v1{path}")).bearer(&who.token);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

async fn befriend(site: &Site, one: &Member, other: &Member) {
    for (asker, asked) in [(one, other), (other, one)] {
        call(site, "PUT", asker, &format!("/friends/{}", asked.username), None).await.expect(200);
    }
}

async fn open(site: &Site, who: &Member, other: &str) -> Answer {
    call(site, "POST", who, "/rooms", Some(json!({"username": other}))).await
}

/// Makes a group and returns its path.
async fn group(site: &Site, owner: &Member, members: &[&Member]) -> String {
    let made = call(site, "POST", owner, "/rooms", Some(json!({"name": "  The\u{202e} group "}))).await.expect(201);
    let id = made.json["id"].as_str().unwrap().to_owned();
    for member in members {
        befriend(site, owner, member).await;
        call(site, "PUT", owner, &format!("/rooms/{id}/invites/{}", member.username), None).await.expect(204);
        call(site, "PUT", member, &format!("/me/room-invites/{id}"), None).await.expect(200);
    }
    format!("/rooms/{id}")
}

async fn roles(site: &Site, who: &Member, room: &str) -> Vec<(String, String)> {
    let members = call(site, "GET", who, &format!("{room}/members"), None).await.expect(200);
    names(&members, "username").into_iter().zip(names(&members, "role")).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_have_one_room_however_often_and_from_both_sides_it_is_opened() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    open(&site, &alice, "bob").await.refused(403, "room.not-accepting");
    open(&site, &alice, "alice").await.refused(409, "friend.self");
    open(&site, &alice, "nobody").await.refused(404, "member.not-found");
    befriend(&site, &alice, &bob).await;
    let opened = join_all((0..6).map(|n| {
        let (site, alice, bob) = (&site, &alice, &bob);
        async move { if n % 2 == 0 { open(site, alice, "bob").await } else { open(site, bob, "alice").await } }
    }))
    .await;
    let ids: Vec<Value> = opened.into_iter().map(|answer| answer.expect(200).json["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let room = format!("/rooms/{}", ids[0].as_str().unwrap());
    let shown = call(&site, "GET", &bob, &room, None).await.expect(200).json;
    assert_eq!((&shown["kind"], &shown["with"]["username"]), (&json!("private"), &json!("alice")));
    assert_eq!((&shown["members_count"], &shown["refusal"]), (&json!(2), &Value::Null));
    // Nothing was said yet: it is in nobody's list.
    assert_eq!(call(&site, "GET", &bob, "/rooms", None).await.expect(200).json["items"], json!([]));

    // It stays one of two, and is there for nobody else.
    let change = Some(json!({"name": "ours"}));
    call(&site, "PATCH", &alice, &room, change.clone()).await.refused(409, "room.private");
    call(&site, "PUT", &alice, &format!("{room}/invites/carol"), None).await.refused(409, "room.private");
    call(&site, "DELETE", &alice, &format!("{room}/members/bob"), None).await.refused(409, "room.private");
    for (method, path, body) in [
        ("GET", room.clone(), None),
        ("PATCH", room.clone(), change),
        ("GET", format!("{room}/members"), None),
        ("PATCH", format!("{room}/members/bob"), Some(json!({"role": "admin"}))),
        ("DELETE", format!("{room}/members/bob"), None),
        ("GET", format!("{room}/invites"), None),
        ("PUT", format!("{room}/invites/carol"), None),
        ("DELETE", format!("{room}/invites/carol"), None),
        ("PUT", format!("/me/room-invites/{}", ids[0].as_str().unwrap()), None),
    ] {
        call(&site, method, &carol, &path, body).await.refused(404, "room.not-found");
    }
    // Of a block nobody hears: the room says what one of somebody says who takes no messages.
    let refusal = async || call(&site, "GET", &alice, &room, None).await.expect(200).json["refusal"].clone();
    let letters = Some(json!({"messages": "nobody"}));
    call(&site, "PATCH", &bob, "/me/privacy", letters).await.expect(200);
    let before = refusal().await;
    call(&site, "PUT", &bob, "/me/blocks/alice", None).await.expect(204);
    assert_eq!((before, refusal().await), (json!("room.not-accepting"), json!("room.not-accepting")));
    assert_eq!(open(&site, &alice, "bob").await.expect(200).json["id"], ids[0], "what there is can be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_in_the_list_with_what_is_new() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    befriend(&site, &alice, &bob).await;
    let quiet = group(&site, &alice, &[&bob]).await;
    let pair = open(&site, &alice, "bob").await.expect(200).json["id"].as_str().unwrap().to_owned();
    let say = async |room: &str, who: &Member, text: &str| {
        let (id, room) = (kit::ids::uuid(), room.trim_start_matches("/rooms/"));
        site.sql(&format!(
            "INSERT INTO room_lines (message_id, room_id, user_id, excerpt, sent_at) \
             VALUES ('{id}', '{room}', '{}', '{text}', clock_timestamp())",
            who.id
        ))
        .await;
        id
    };
    let first = say(&pair, &alice, "first").await;
    let second = say(&pair, &alice, "second").await;
    say(&pair, &bob, "mine").await;
    let list = call(&site, "GET", &bob, "/rooms", None).await.expect(200).json;
    assert_eq!((&list["unread_count"], list["items"].as_array().unwrap().len()), (&json!(1), 2));
    assert_eq!(list["items"][0]["unread_count"], 2, "one's own words are not news");
    assert_eq!(list["items"][0]["last_message"]["text"], "mine");
    assert_eq!(list["items"][1]["last_message"], Value::Null);
    site.sql(&format!("UPDATE room_members SET read_id = '{first}' WHERE user_id = '{}'", bob.id)).await;
    site.sql(&format!("UPDATE room_lines SET is_deleted = true WHERE message_id = '{second}'")).await;
    let list = call(&site, "GET", &bob, "/rooms", None).await.expect(200).json;
    assert_eq!((&list["unread_count"], &list["items"][0]["unread_count"]), (&json!(0), &json!(0)));
    for n in 0..103 {
        say(&quiet, &alice, &format!("line {n}")).await;
    }
    let page = call(&site, "GET", &bob, "/rooms?limit=1", None).await.expect(200).json;
    assert_eq!((&page["items"][0]["kind"], &page["items"][0]["unread_count"]), (&json!("group"), &json!(100)));
    let next = format!("/rooms?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = call(&site, "GET", &bob, &next, None).await.expect(200).json;
    assert_eq!((&page["items"][0]["kind"], &page["next_cursor"]), (&json!("private"), &Value::Null));
    assert_eq!(call(&site, "GET", &carol, "/rooms", None).await.expect(200).json["items"], json!([]));
    call(&site, "PUT", &bob, "/me/blocks/alice", None).await.expect(204);
    let list = call(&site, "GET", &bob, "/rooms", None).await.expect(200);
    assert_eq!(names(&list, "kind"), ["group"], "with somebody one blocked there is nothing to read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_joined_by_invitation_from_those_one_lets_near() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    let room = group(&site, &alice, &[&bob]).await;
    let id = room.trim_start_matches("/rooms/").to_owned();
    assert_eq!(call(&site, "GET", &bob, &room, None).await.expect(200).json["name"], "The group");
    let invite = format!("{room}/invites/carol");
    call(&site, "PUT", &bob, &invite, None).await.refused(403, "room.forbidden");
    call(&site, "PUT", &alice, &invite, None).await.refused(403, "room.not-accepting");
    befriend(&site, &alice, &carol).await;
    for _ in 0..2 {
        call(&site, "PUT", &alice, &invite, None).await.expect(204);
    }
    call(&site, "GET", &carol, &room, None).await.refused(404, "room.not-found");
    let mine = async || call(&site, "GET", &carol, "/me/room-invites", None).await.expect(200).json["items"].clone();
    let invitation = mine().await[0].clone();
    assert_eq!((&invitation["name"], &invitation["members_count"]), (&json!("The group"), &json!(2)));
    assert_eq!((&invitation["room_id"], &invitation["invited_by"]["username"]), (&json!(id), &json!("alice")));
    let waiting = call(&site, "GET", &alice, &format!("{room}/invites"), None).await.expect(200);
    assert_eq!(names(&waiting, "username"), ["carol"]);

    call(&site, "DELETE", &carol, &format!("/me/room-invites/{id}"), None).await.expect(204);
    call(&site, "PUT", &carol, &format!("/me/room-invites/{id}"), None).await.refused(404, "room.not-found");
    call(&site, "PUT", &alice, &invite, None).await.expect(204);
    call(&site, "DELETE", &alice, &invite, None).await.expect(204);
    assert_eq!(mine().await, json!([]));
    call(&site, "PUT", &alice, &invite, None).await.expect(204);
    for _ in 0..2 {
        call(&site, "PUT", &carol, &format!("/me/room-invites/{id}"), None).await.expect(200);
    }
    call(&site, "PUT", &alice, &invite, None).await.refused(409, "room.is-member");
    assert_eq!(roles(&site, &bob, &room).await, pairs(&[("alice", "owner"), ("bob", "member"), ("carol", "member")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_one_owner_who_is_followed_by_the_next_when_they_leave() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let (carol, dave) = (site.register("carol").await, site.register("dave").await);
    let room = group(&site, &alice, &[&bob, &carol, &dave]).await;
    let member = |name: &str| format!("{room}/members/{name}");
    let role = |role: &str| Some(json!({"role": role}));
    call(&site, "PATCH", &bob, &member("carol"), role("admin")).await.refused(403, "room.forbidden");
    call(&site, "PATCH", &alice, &member("alice"), role("member")).await.refused(409, "friend.self");
    call(&site, "PATCH", &alice, &member("carol"), role("admin")).await.expect(204);
    call(&site, "PATCH", &carol, &room, Some(json!({"name": "Ours"}))).await.expect(200);
    call(&site, "PATCH", &carol, &room, Some(json!({"is_archived": true}))).await.refused(403, "room.forbidden");
    call(&site, "PATCH", &bob, &room, Some(json!({"name": "Mine"}))).await.refused(403, "room.forbidden");
    // Shown out is who stands below: by an admin nobody but members, by a member nobody.
    call(&site, "DELETE", &bob, &member("dave"), None).await.refused(403, "room.forbidden");
    call(&site, "DELETE", &carol, &member("alice"), None).await.refused(403, "room.forbidden");
    call(&site, "DELETE", &carol, &member("dave"), None).await.expect(204);
    call(&site, "DELETE", &carol, &member("dave"), None).await.refused(404, "member.not-found");
    call(&site, "GET", &dave, &room, None).await.refused(404, "room.not-found");

    // Two who are made the owner at once: one is.
    let (to_bob, to_carol) = (member("bob"), member("carol"));
    let (one, other) = tokio::join!(
        call(&site, "PATCH", &alice, &to_bob, role("owner")),
        call(&site, "PATCH", &alice, &to_carol, role("owner"))
    );
    let mut codes = [one.status.as_u16(), other.status.as_u16()];
    codes.sort_unstable();
    assert!(matches!(codes, [204, 403]), "{codes:?}");
    let owners = roles(&site, &alice, &room).await.into_iter().filter(|(_, role)| role == "owner").count();
    assert_eq!(owners, 1);
    let owner = roles(&site, &alice, &room).await[0].0.clone();
    let (owner, last) = if owner == "bob" { (&bob, &carol) } else { (&carol, &bob) };
    call(&site, "DELETE", owner, &member(&owner.username), None).await.expect(204);
    assert_eq!(
        roles(&site, &alice, &room).await[0],
        ("alice".to_owned(), "owner".to_owned()),
        "the admin who was there first"
    );
    call(&site, "PATCH", &alice, &room, Some(json!({"is_archived": true}))).await.expect(200);
    assert_eq!(call(&site, "GET", last, "/rooms", None).await.expect(200).json["items"], json!([]));
    let archived = call(&site, "GET", last, "/rooms?archived=true", None).await.expect(200);
    assert_eq!(names(&archived, "name"), ["Ours"]);
    assert_eq!(call(&site, "GET", last, &room, None).await.expect(200).json["refusal"], "room.archived");
    call(&site, "PUT", &alice, &format!("{room}/invites/dave"), None).await.refused(409, "room.archived");
    call(&site, "DELETE", &alice, &member("alice"), None).await.expect(204);
    assert_eq!(roles(&site, last, &room).await, pairs(&[(&last.username, "owner")]));
    call(&site, "DELETE", last, &member(&last.username), None).await.expect(204);
    let left = site.rows("SELECT archived_at IS NOT NULL AS archived FROM rooms").await;
    assert_eq!(left, [json!({"archived": true})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_takes_a_hundred_and_of_two_who_come_at_once_for_the_last_seat_one_gets_it() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.register("alice").await, site.register("bob").await, site.register("carol").await);
    let room = group(&site, &alice, &[]).await;
    let id = room.trim_start_matches("/rooms/").to_owned();
    site.sql(&format!(
        "INSERT INTO users (user_id, username, display_name, email, password_hash) \
         SELECT gen_random_uuid(), 'm' || n, 'm' || n, 'm' || n || '@mail.test', 'x' FROM generate_series(100, 197) n; \
         INSERT INTO room_members (room_id, user_id) SELECT '{id}', user_id FROM users WHERE username LIKE 'm1__'"
    ))
    .await;
    for member in [&bob, &carol] {
        befriend(&site, &alice, member).await;
        call(&site, "PUT", &alice, &format!("{room}/invites/{}", member.username), None).await.expect(204);
    }
    let join = async |who: &Member| call(&site, "PUT", who, &format!("/me/room-invites/{id}"), None).await;
    let (one, other) = tokio::join!(join(&bob), join(&carol));
    let (came, full) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(came.expect(200).json["members_count"], 100);
    full.refused(409, "room.full");
    assert_eq!(roles(&site, &alice, &room).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_room_is_refused() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "\u{200b}"}),
        json!({"name": "x".repeat(61)}),
        json!({"name": "x", "username": "bob"}),
        json!({"name": "x", "owner": "bob"}),
    ] {
        let answer = call(&site, "POST", &alice, "/rooms", Some(body.clone())).await;
        assert_eq!(answer.status, 422, "{body}");
    }
    let nobodys = format!("/rooms/{}", kit::ids::uuid());
    call(&site, "GET", &alice, &nobodys, None).await.refused(404, "room.not-found");
    let mut last = 0;
    for n in 0..31 {
        last = call(&site, "POST", &alice, "/rooms", Some(json!({"name": format!("g{n}")}))).await.status.as_u16();
    }
    assert_eq!(last, 429);
}
