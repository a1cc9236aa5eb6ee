use std::time::Duration;

use domain::SessionId;
use domain::event::Event;
use futures::StreamExt;
use live::fanout::Target;
use serde_json::json;

use crate::{OPEN_JOBS, Site, WAITING, online};

const NOTIFIED: &str = "SELECT count(*)::bigint AS n FROM notifications WHERE type = 'stream_online'";

#[tokio::test]
async fn a_job_delivered_twice_notifies_each_follower_once() {
    let site = Site::start(|_| {}).await;
    let channel = site.channel("alice").await;
    for name in ["bob", "carol", "dave"] {
        let follower = site.channel(name).await;
        site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{channel}', '{follower}')"))
            .await;
    }
    let stream = site.live_stream(channel).await;
    let mut heard = live::fanout::subscribe(&site.deps.live).await.unwrap();

    site.tell(&online(stream, channel, "alice")).await;
    site.tell(&online(stream, channel, "alice")).await;
    let (_running, _stop) = site.run();

    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 2, Duration::from_secs(10)).await;
    assert_eq!(site.number(NOTIFIED).await, 3);
    assert_eq!(site.number(WAITING).await, 0);
    let mut pushed = Vec::new();
    while pushed.len() < 3 {
        let push = tokio::time::timeout(Duration::from_secs(5), heard.next()).await.unwrap().unwrap();
        if push.event == "notification" {
            assert_eq!(push.payload["message"], "alice is live: Hello");
            assert_eq!(push.payload["actor"]["username"], "alice");
            assert!(matches!(push.target, Target::User(_)));
            pushed.push(push);
        } else {
            assert_eq!((push.event.as_str(), &push.target), ("stream:online", &Target::Site));
        }
    }
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_leaves_every_follower_with_one_notification() {
    let site = Site::start(|_| {}).await;
    let channel = site.channel("alice").await;
    site.execute(&format!(
        "INSERT INTO users (user_id, username, display_name, email, password_hash)
         SELECT gen_random_uuid(), 'f' || i, 'F', 'f' || i || '@x.example', '-' FROM generate_series(1, 2000) i
          WHERE length('f' || i) >= 3;
         INSERT INTO follows (channel_id, follower_id)
         SELECT '{channel}', user_id FROM users WHERE username LIKE 'f%'"
    ))
    .await;
    let followers = site.number("SELECT count(*)::bigint AS n FROM follows").await;
    // Each batch takes a while, so that there is a middle to be killed in.
    site.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END $$;
         CREATE TRIGGER slow AFTER INSERT ON notifications FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    )
    .await;
    let stream = site.live_stream(channel).await;
    site.tell(&online(stream, channel, "alice")).await;

    let (running, _stop) = site.run();
    site.until(NOTIFIED, 1_000, Duration::from_secs(10)).await;
    drop(running);
    assert!(site.number(NOTIFIED).await < followers, "the kill came after the end");

    let (_running, _stop) = site.run();
    site.until(OPEN_JOBS, 0, Duration::from_secs(25)).await;
    assert_eq!(site.number(NOTIFIED).await, followers);
    let attempts = "SELECT max(attempts)::bigint AS n FROM apalis.jobs";
    assert!(site.number(attempts).await >= 1, "the job ran only once");
    assert_eq!(
        site.number("SELECT count(*)::bigint AS n FROM fanout_places").await,
        0,
        "no place is kept of what is done"
    );
}

#[tokio::test]
async fn a_follow_is_told_to_the_channels_owner_once() {
    let site = Site::start(|_| {}).await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    site.tell(&Event::Followed { channel_id: alice, follower_id: bob }).await;
    site.tell(&Event::Followed { channel_id: alice, follower_id: bob }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 2, Duration::from_secs(10)).await;
    let rows = db::testing::rows(&site.deps.pool, "SELECT user_id, message FROM notifications").await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["user_id"], alice.to_string());
    assert_eq!(rows[0]["message"], "bob follows you now");
}

#[tokio::test]
async fn requests_and_answers_are_told_and_nothing_of_somebody_blocked() {
    let site = Site::start(|_| {}).await;
    let (alice, bob, carol) = (site.channel("alice").await, site.channel("bob").await, site.channel("carol").await);
    let mut conn = site.deps.pool.acquire().await.unwrap();
    // Bob asks Alice, who says yes. Carol asks her too and is blocked; Bob takes a request to Carol back.
    for (asker, other) in [(bob, alice), (alice, bob), (carol, alice), (bob, carol)] {
        db::friends::ask(&mut conn, asker, other).await.unwrap();
    }
    db::friends::part(&mut conn, bob, carol).await.unwrap();
    db::friends::block(&mut conn, alice, carol).await.unwrap();
    drop(conn);
    site.tell(&Event::FriendAccepted { user_id: alice, asker_id: bob }).await;
    site.tell(&Event::FriendAsked { user_id: alice, asker_id: carol }).await;
    site.tell(&Event::FriendAsked { user_id: carol, asker_id: bob }).await;
    site.tell(&Event::Followed { channel_id: alice, follower_id: carol }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 4, Duration::from_secs(10)).await;
    let rows = db::testing::rows(&site.deps.pool, "SELECT user_id, type, message FROM notifications").await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["user_id"], bob.to_string());
    assert_eq!(
        (rows[0]["type"].as_str(), rows[0]["message"].as_str()),
        (Some("friend_accepted"), Some("You and alice are friends now"))
    );
    site.execute("DELETE FROM bonds").await;
    db::friends::ask(&mut site.deps.pool.acquire().await.unwrap(), carol, alice).await.unwrap();
    site.tell(&Event::FriendAsked { user_id: alice, asker_id: carol }).await;
    site.until(
        "SELECT count(*)::bigint AS n FROM notifications WHERE type = 'friend_request'",
        1,
        Duration::from_secs(10),
    )
    .await;
}

#[tokio::test]
async fn what_is_not_for_everybody_is_told_to_those_it_is_for() {
    let site = Site::start(|_| {}).await;
    let channel = site.channel("alice").await;
    let follower = site.channel("bob").await;
    site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{channel}', '{follower}')")).await;
    let stream = site.live_stream(channel).await;
    let (_running, _stop) = site.run();
    let mut done = 0;
    let room = || Target::Channel(domain::user::Username::parse("alice").unwrap());
    for (visibility, target, told) in
        [("private", room(), 0), ("unlisted", room(), 0), ("followers", room(), 1), ("public", Target::Site, 1)]
    {
        site.execute(&format!("UPDATE streams SET visibility = '{visibility}'")).await;
        let mut heard = live::fanout::subscribe(&site.deps.live).await.unwrap();
        site.tell(&online(stream, channel, "alice")).await;
        let push = loop {
            let push = tokio::time::timeout(Duration::from_secs(5), heard.next()).await.unwrap().unwrap();
            if push.event == "stream:online" {
                break push;
            }
        };
        assert_eq!(push.target, target, "{visibility}");
        done += 1;
        let finished = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'";
        site.until(finished, done, Duration::from_secs(10)).await;
        assert_eq!(site.number(NOTIFIED).await, told, "{visibility}");
    }
}

#[tokio::test]
async fn followers_hear_what_they_asked_for() {
    let site = Site::start(|_| {}).await;
    let channel = site.channel("alice").await;
    for (name, bell) in [("bob", "all"), ("carol", "live_only"), ("dave", "none"), ("erin", "all")] {
        let follower = site.channel(name).await;
        site.execute(&format!(
            "INSERT INTO follows (channel_id, follower_id, bell) VALUES ('{channel}', '{follower}', '{bell}')"
        ))
        .await;
    }
    // Erin wants no streams from anybody; what cannot be turned off is told whatever a row says.
    site.execute(
        "INSERT INTO notification_choices (user_id, type, is_wanted)
         SELECT user_id, t, false FROM users, unnest(ARRAY['stream_online', 'recording_stopped']) t WHERE username IN ('erin', 'alice')",
    )
    .await;
    let stream = site.live_stream(channel).await;
    let vod = domain::VodId::from_uuid(kit::ids::uuid());
    site.execute(&format!(
        "INSERT INTO vods (vod_id, stream_id, channel_id, title, status, object_prefix, created_at)
         VALUES ('{vod}', '{stream}', '{channel}', 'Hello', 'ready', 'vod/x/', now())"
    ))
    .await;
    let username = domain::user::Username::parse("alice").unwrap();
    site.tell(&online(stream, channel, "alice")).await;
    site.tell(&Event::VodReady { vod_id: vod, channel_id: channel, username: username.clone() }).await;
    site.tell(&Event::RecordingStopped { stream_id: stream, channel_id: channel, username }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 3, Duration::from_secs(10)).await;
    let rows = db::testing::rows(
        &site.deps.pool,
        "SELECT type, string_agg(username, ' ' ORDER BY username) AS who
           FROM notifications JOIN users USING (user_id) GROUP BY type ORDER BY type",
    )
    .await
    .unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row["type"].as_str().unwrap(), row["who"].as_str().unwrap())).collect();
    assert_eq!(told, [("recording_stopped", "alice"), ("stream_online", "bob carol"), ("vod_ready", "alice bob erin")]);
}

#[tokio::test]
async fn a_share_link_that_is_opened_is_told_to_its_owner_once_a_visit() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let link = domain::ShareId::from_uuid(kit::ids::uuid());
    site.execute(&format!(
        "INSERT INTO share_links (link_id, owner_id, token_hash, token_sealed, kind, folder, name, permission)
         VALUES ('{link}', '{alice}', sha256('t'), decode(repeat('00', 80), 'hex'), 'folder', '/trip/', 'trip', 'view')"
    ))
    .await;
    let opened = |access_id| Event::ShareAccessed { link_id: link, access_id, owner_id: alice };
    let visit = kit::ids::uuid();
    for access_id in [visit, visit, kit::ids::uuid()] {
        site.tell(&opened(access_id)).await;
    }
    // Of one that was deleted meanwhile there is nothing to tell.
    let gone = domain::ShareId::from_uuid(kit::ids::uuid());
    site.tell(&Event::ShareAccessed { link_id: gone, access_id: kit::ids::uuid(), owner_id: alice }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 4, Duration::from_secs(10)).await;
    let rows = db::testing::rows(&site.deps.pool, "SELECT type, message, detail FROM notifications").await.unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (rows[0]["type"].as_str(), rows[0]["message"].as_str(), rows[0]["detail"].as_str()),
        (Some("share_accessed"), Some("Your link was opened: trip"), Some("trip"))
    );
}

#[tokio::test]
async fn a_member_is_told_of_sign_ins_that_may_not_be_theirs() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let session = SessionId::from_uuid(kit::ids::uuid());
    let from = "Firefox \u{b7} Linux \u{b7} Hanoi, VN".to_owned();
    for _ in 0..2 {
        site.tell(&Event::SignedInAnew { user_id: alice, session_id: session, from: from.clone() }).await;
    }
    site.tell(&Event::SignInStolen { user_id: alice, session_id: session }).await;
    let (_running, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status = 'Done'", 3, Duration::from_secs(10)).await;
    let query = "SELECT type, message, detail, entity_type FROM notifications ORDER BY type";
    let rows = db::testing::rows(&site.deps.pool, query).await.unwrap();
    let message = format!("New sign-in to your account: {from}");
    let stolen = "A sign-in of yours was used in two places and was ended. If it was not you, change your password.";
    assert_eq!(
        rows,
        [
            json!({"type": "new_sign_in", "message": message, "detail": from, "entity_type": "session"}),
            json!({"type": "sign_in_stolen", "message": stolen, "detail": null, "entity_type": "session"}),
        ]
    );
}
