//! What members hear of their rooms while they are away, and of requests that were answered.

use std::time::Duration;

use db::rooms::{Joined, Line, Marked};
use domain::event::Event;
use domain::rooms::RoomName;
use domain::{MessageId, RoomId, UserId};
use uuid::Uuid;

use crate::{OPEN_JOBS, Site, WAITING};

const WITHIN: Duration = Duration::from_secs(15);
const TOLD: &str = "SELECT count(*)::bigint AS n FROM notifications WHERE type = 'message'";
const DUE: &str = "SELECT count(*)::bigint AS n FROM room_tells";

/// A member says something in a room.
async fn say(site: &Site, room: RoomId, author: UserId) -> MessageId {
    let id = MessageId::from_uuid(kit::ids::uuid());
    let line = Line { id, room, author, excerpt: "hello", sent_at: kit::clock::now() };
    db::rooms::said(&mut site.deps.pool.acquire().await.unwrap(), line).await.unwrap();
    id
}

/// Half a minute later.
async fn wait(site: &Site) {
    site.execute(
        "UPDATE room_lines SET sent_at = sent_at - interval '40 seconds';
         UPDATE room_tells SET due_at = due_at - interval '40 seconds'",
    )
    .await;
    site.until(DUE, 0, WITHIN).await;
}

async fn told(site: &Site, kind: &str) -> Vec<(String, String)> {
    let query = format!(
        "SELECT u.username AS who, n.message FROM notifications n JOIN users u USING (user_id)
          WHERE n.type = '{kind}' AND NOT n.is_read ORDER BY u.username, n.message"
    );
    let rows = db::testing::rows(&site.deps.pool, &query).await.unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(&row["who"]), text(&row["message"]))).collect()
}

fn line(who: &str, message: &str) -> (String, String) {
    (who.to_owned(), message.to_owned())
}

#[tokio::test]
async fn who_is_away_hears_once_of_a_room_until_they_have_read_it() {
    let site = Site::start(|_| {}).await;
    let (alice, bob, carol) = (site.channel("alice").await, site.channel("bob").await, site.channel("carol").await);
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let pair = db::rooms::open_pair(&mut conn, alice, bob).await.unwrap();
    let group = RoomId::from_uuid(kit::ids::uuid());
    db::rooms::create_group(&mut conn, group, alice, &RoomName::parse("Friday").unwrap()).await.unwrap();
    for member in [bob, carol] {
        db::rooms::invite(&mut conn, group, member, alice).await.unwrap();
        assert_eq!(db::rooms::join(&mut conn, group, member).await.unwrap(), Joined::Done);
    }
    let (_running, _stop) = site.run();
    let first = say(&site, pair, alice).await;
    say(&site, pair, alice).await;
    assert_eq!((site.number(DUE).await, site.number(TOLD).await), (1, 0), "a moment ago");
    wait(&site).await;
    assert_eq!(told(&site, "message").await, [line("bob", "alice wrote to you")]);
    say(&site, pair, alice).await;
    wait(&site).await;
    assert_eq!(site.number(TOLD).await, 1, "one line until it is read");

    // Read: the line is read with it, and the next message is told anew.
    let last = say(&site, pair, alice).await;
    let Marked::Moved { told: Some(_) } = db::rooms::read(&mut conn, pair, bob, last).await.unwrap() else {
        panic!("the notification is read with the messages");
    };
    assert_eq!(db::rooms::read(&mut conn, pair, bob, first).await.unwrap(), Marked::Behind);
    wait(&site).await;
    assert_eq!(told(&site, "message").await, [], "read in time");
    say(&site, pair, alice).await;
    wait(&site).await;
    assert_eq!(told(&site, "message").await, [line("bob", "alice wrote to you")]);
    assert_eq!(site.number(TOLD).await, 1, "the old line makes room");

    // In a group everybody else hears it, except of whom they are apart. Who wrote since has read what was said before.
    db::friends::block(&mut conn, carol, alice).await.unwrap();
    say(&site, group, bob).await;
    say(&site, group, alice).await;
    wait(&site).await;
    assert_eq!(
        told(&site, "message").await,
        [line("bob", "alice wrote in Friday"), line("bob", "alice wrote to you"), line("carol", "bob wrote in Friday")]
    );
}

#[tokio::test]
async fn an_invitation_is_told_while_it_waits_and_again_when_it_is_made_again() {
    let site = Site::start(|_| {}).await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let group = RoomId::from_uuid(kit::ids::uuid());
    db::rooms::create_group(&mut conn, group, alice, &RoomName::parse("Friday").unwrap()).await.unwrap();
    let (_running, _stop) = site.run();
    let event = Event::RoomInvited { room_id: group, user_id: bob };
    let tell = async || {
        site.tell(&event).await;
        site.until(WAITING, 0, WITHIN).await;
        site.until(OPEN_JOBS, 0, WITHIN).await;
        told(&site, "room_invite").await
    };
    assert_eq!(tell().await, [], "nobody invited him");
    for _ in 0..2 {
        db::rooms::invite(&mut conn, group, bob, alice).await.unwrap();
        assert_eq!(tell().await, [line("bob", "alice invites you to Friday")]);
        assert_eq!(tell().await.len(), 1, "told twice, heard once");
        assert!(db::rooms::decline(&mut conn, group, bob).await.unwrap());
        assert_eq!(told(&site, "room_invite").await, [], "what was answered is told no more");
    }
    db::rooms::invite(&mut conn, group, bob, alice).await.unwrap();
    db::friends::block(&mut conn, bob, alice).await.unwrap();
    assert_eq!(tell().await, []);
}

#[tokio::test]
async fn an_answer_to_a_request_is_told_when_it_cannot_be_taken_back() {
    let site = Site::start(|_| {}).await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let ban = Uuid::from_u128(1);
    site.execute(&format!(
        "INSERT INTO chat_sanctions (channel_id, user_id, act_id, ends_at, imposed_by)
         VALUES ('{alice}', '{bob}', '{ban}', NULL, '{alice}')"
    ))
    .await;
    use db::moderation::pleas;
    let request = pleas::ask(&mut conn, alice, bob, ban, "please").await.unwrap().unwrap();
    let (_running, _stop) = site.run();
    let decide = async |is_accepted, act| {
        let mut conn = site.deps.pool.acquire().await.unwrap();
        pleas::answer(&mut conn, (alice, request), is_accepted, act, ("alice", "")).await.unwrap().unwrap();
        site.tell(&Event::UnbanAnswered { request_id: request }).await;
        site.until(WAITING, 0, WITHIN).await;
    };
    decide(true, Uuid::from_u128(2)).await;
    // Taken back, and decided otherwise, before anything was told.
    pleas::ask_again(&mut conn, Uuid::from_u128(2)).await.unwrap();
    let early = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE run_at > now() + interval '5 seconds'";
    assert_eq!(site.number(early).await, 1);
    decide(false, Uuid::from_u128(3)).await;
    site.execute("UPDATE apalis.jobs SET run_at = now()").await;
    site.until(OPEN_JOBS, 0, WITHIN).await;
    assert_eq!(told(&site, "unban_answer").await, [line("bob", "Your request to alice was declined")]);
    let rows =
        db::testing::rows(&site.deps.pool, "SELECT actor_id, channel_id, detail FROM notifications").await.unwrap();
    assert_eq!((rows.len(), &rows[0]["detail"], &rows[0]["actor_id"]), (1, &"denied".into(), &serde_json::Value::Null));
    assert_eq!(rows[0]["channel_id"], alice.to_string());
}
