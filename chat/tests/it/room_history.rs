//! Rooms' history: one contract, two stores.

use std::sync::Arc;
use std::time::Duration;

use chat::rooms::store::{Kept, MongoRooms, PostgresRooms, Reacted, RoomHistory, RoomMessage, Span, Stored};
use domain::chat::reaction::KINDS_MAX;
use domain::words::Sought;
use domain::{MessageId, RoomId, Timestamp, UserId};
use kit::Secret;
use testkit::mongo::MongoServer;
use testkit::services;

struct Talk {
    rooms: [RoomId; 2],
    users: [UserId; 2],
}

fn now() -> Timestamp {
    Timestamp::from_timestamp_millis(kit::clock::now().timestamp_millis()).unwrap()
}

fn fresh_id() -> MessageId {
    MessageId::from_uuid(kit::ids::uuid())
}

impl Talk {
    fn message(&self, room: usize, user: usize, number: usize) -> RoomMessage {
        RoomMessage {
            id: fresh_id(),
            room: self.rooms[room],
            author: self.users[user],
            text: format!("line {number} 🦀"),
            client_id: format!("c{room}-{number}"),
            sent_at: now(),
            reply_to: None,
            edited_at: None,
            changed_at: None,
            reactions: Vec::new(),
        }
    }
}

async fn find(store: &dyn RoomHistory, id: MessageId) -> Option<Kept> {
    store.find_all(&[id]).await.unwrap().pop()
}

/// Everything a store owes its callers.
async fn contract(store: Arc<dyn RoomHistory>, talk: Talk) {
    let mut said: Vec<RoomMessage> = (0..12).map(|n| talk.message(0, n % 2, n)).collect();
    said[4].reply_to = Some(said[2].id);
    for message in &said {
        assert_eq!(store.insert(message).await.unwrap(), Stored::New);
    }
    let elsewhere = talk.message(1, 1, 50);
    store.insert(&elsewhere).await.unwrap();
    pages_leave_no_gap(&*store, &talk, &said).await;
    inserting_is_idempotent(&store, &talk, &said).await;
    authors_edit_and_whoever_was_away_hears_of_it(&*store, &talk).await;
    reactions_are_kept_once_a_member_and_so_many_a_message(&*store, &talk).await;
    deleted_messages_are_gone(&*store, &talk, &said).await;
    what_was_said_is_found(&*store, &talk).await;
}

async fn pages_leave_no_gap(store: &dyn RoomHistory, talk: &Talk, said: &[RoomMessage]) {
    let room = talk.rooms[0];
    let page = async |span, limit| store.page(room, span, limit).await.unwrap();
    assert_eq!(page(Span::Latest, 5).await, said[7..]);
    assert_eq!(page(Span::Before(said[7].id), 5).await, said[2..7]);
    assert_eq!(page(Span::After(said[1].id), 5).await, said[2..7]);
    assert_eq!(page(Span::After(said[11].id), 5).await, []);
    assert_eq!(store.page(RoomId::from_uuid(kit::ids::uuid()), Span::Latest, 5).await.unwrap(), []);
}

async fn inserting_is_idempotent(store: &Arc<dyn RoomHistory>, talk: &Talk, said: &[RoomMessage]) {
    let again = RoomMessage { id: fresh_id(), text: "changed".to_owned(), ..said[3].clone() };
    let before = Stored::Before(Box::new(Kept { message: said[3].clone(), is_deleted: false }));
    assert_eq!(store.insert(&again).await.unwrap(), before);
    assert_eq!(find(&**store, again.id).await, None);
    // The other member may use the same name for another message.
    let other = RoomMessage { id: fresh_id(), author: talk.users[0], ..talk.message(1, 0, 50) };
    assert_eq!(store.insert(&other).await.unwrap(), Stored::New);
    let racers = (0..8).map(|n| {
        let (store, message) =
            (Arc::clone(store), RoomMessage { client_id: "race".to_owned(), ..talk.message(1, 0, 60 + n) });
        async move { store.insert(&message).await.unwrap() }
    });
    let outcomes = futures::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Stored::New).count(), 1);
}

async fn authors_edit_and_whoever_was_away_hears_of_it(store: &dyn RoomHistory, talk: &Talk) {
    let message = talk.message(1, 0, 100);
    store.insert(&message).await.unwrap();
    let since = now();
    assert_eq!(store.edit(message.id, talk.users[1], "not yours", since).await.unwrap(), None);
    let expected =
        RoomMessage { text: "better".to_owned(), edited_at: Some(since), changed_at: Some(since), ..message.clone() };
    assert_eq!(store.edit(message.id, talk.users[0], "better", since).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(find(store, message.id).await.unwrap().message, expected);
    let later = since + Duration::from_secs(1);
    let gone = talk.message(1, 1, 101);
    store.insert(&gone).await.unwrap();
    assert!(store.delete(gone.id, later).await.unwrap());
    assert_eq!(store.edit(gone.id, gone.author, "better", later).await.unwrap(), None, "it is gone");
    let changed = async |since| {
        let kept = store.changed_since(talk.rooms[1], since, 10).await.unwrap();
        kept.iter().map(|kept| (kept.message.id, kept.is_deleted)).collect::<Vec<_>>()
    };
    assert_eq!(changed(since).await, [(message.id, false), (gone.id, true)]);
    assert_eq!(changed(later).await, [(gone.id, true)]);
    assert_eq!(store.changed_since(talk.rooms[1], since, 1).await.unwrap().len(), 1);
    assert!(store.changed_since(talk.rooms[0], since, 10).await.unwrap().is_empty(), "in its own room only");
}

async fn reactions_are_kept_once_a_member_and_so_many_a_message(store: &dyn RoomHistory, talk: &Talk) {
    let [one, two] = talk.users;
    let message = talk.message(1, 0, 200);
    store.insert(&message).await.unwrap();
    let mut at = now();
    let mut react = async |by, emoji: &str, is_on| {
        at += Duration::from_millis(1);
        store.react(message.id, by, emoji, is_on, at).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(react(two, "👍", true).await, Reacted::Done);
    }
    assert_eq!(react(one, ":gg:", true).await, Reacted::Done);
    assert_eq!(react(one, "👍", true).await, Reacted::Done);
    let given = async || find(store, message.id).await.unwrap().message.reactions;
    let expected = [("👍".to_owned(), two), (":gg:".to_owned(), one), ("👍".to_owned(), one)];
    assert_eq!(given().await, expected);
    assert_eq!(store.page(talk.rooms[1], Span::Latest, 1).await.unwrap()[0].reactions, expected);
    for _ in 0..2 {
        assert_eq!(react(two, "👍", false).await, Reacted::Done);
    }
    assert_eq!(given().await, expected[1..]);
    for n in 2..KINDS_MAX {
        let emoji = char::from_u32(0x1f400 + u32::try_from(n).unwrap()).unwrap().to_string();
        assert_eq!(react(one, &emoji, true).await, Reacted::Done);
    }
    assert_eq!(react(two, "🦀", true).await, Reacted::TooMany);
    assert_eq!(react(two, "👍", true).await, Reacted::Done, "one it carries already");
    assert!(store.delete(message.id, now()).await.unwrap());
    assert_eq!(react(two, "👍", true).await, Reacted::Gone);
    assert_eq!(react(two, "👍", false).await, Reacted::Gone);
}

async fn deleted_messages_are_gone(store: &dyn RoomHistory, talk: &Talk, said: &[RoomMessage]) {
    let at = now();
    assert!(store.delete(said[11].id, at).await.unwrap());
    assert!(!store.delete(said[11].id, at).await.unwrap());
    assert!(!store.delete(fresh_id(), at).await.unwrap());
    assert_eq!(store.page(talk.rooms[0], Span::Latest, 1).await.unwrap(), said[10..11]);
    let kept = Kept { message: RoomMessage { changed_at: Some(at), ..said[11].clone() }, is_deleted: true };
    assert_eq!(find(store, said[11].id).await, Some(kept.clone()));
    assert_eq!(store.insert(&said[11]).await.unwrap(), Stored::Before(Box::new(kept)), "its name stays used");
}

async fn what_was_said_is_found(store: &dyn RoomHistory, talk: &Talk) {
    let said = async |room: usize, number: usize, text: &str| {
        let message = RoomMessage { text: text.to_owned(), ..talk.message(room, 0, number) };
        assert_eq!(store.insert(&message).await.unwrap(), Stored::New);
        message
    };
    let first = said(0, 300, "Hẹn gặp ở Đà Nẵng, near the harbour").await;
    let second = said(1, 301, "DA NANG again? O'Neil's harbour!").await;
    let third = said(0, 302, "harbours (all of them) at http://da.example/?q=.*").await;
    let find = async |rooms: &[RoomId], text: &str, before: Option<MessageId>, limit: u32| {
        let sought = Sought::parse(text).unwrap();
        let found = store.search(rooms, &sought, before, limit).await.unwrap();
        found.into_iter().map(|message| message.id).collect::<Vec<_>>()
    };
    let both = &talk.rooms[..];
    assert_eq!(find(both, "harbour", None, 10).await, [third.id, second.id, first.id], "the latest first");
    assert_eq!(find(both, "harbour", None, 2).await, [third.id, second.id]);
    assert_eq!(find(both, "harbour", Some(second.id), 2).await, [first.id], "and no gap between pages");
    assert_eq!(find(&both[..1], "harbour", None, 10).await, [third.id, first.id], "in these rooms only");
    assert_eq!(find(both, "đà nẵng", None, 10).await, [second.id, first.id], "whatever the marks and the case");
    assert_eq!(find(both, "nang da", None, 10).await, [second.id, first.id], "in any order");
    assert_eq!(find(both, "da harb", None, 10).await, [third.id, second.id, first.id], "each word by its beginning");
    assert_eq!(find(both, "arbour", None, 10).await, []);
    assert_eq!(find(both, "da nowhere", None, 10).await, []);
    for hostile in ["o'neil", "harbour:* & | !", "^harbour$ .*", "harbour\\"] {
        assert!(find(both, hostile, None, 10).await.contains(&second.id), "{hostile}");
    }
    let found = store.search(both, &Sought::parse("gap").unwrap(), None, 1).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&first), "whole");

    store.edit(first.id, first.author, "moved to Huế", now()).await.unwrap().unwrap();
    assert_eq!(find(both, "harbour", None, 10).await, [third.id, second.id], "what it said before is not found");
    assert_eq!(find(both, "hue", None, 10).await, [first.id]);
    assert!(store.delete(third.id, now()).await.unwrap());
    assert_eq!(find(both, "harbour", None, 10).await, [second.id], "nor what was deleted");
}

#[tokio::test]
async fn postgres_keeps_the_contract_of_rooms() {
    let (url, _database) = services::database().await;
    let pool = db::testing::pool(&url).unwrap();
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol"] {
        users.push(db::testing::add_channel(&pool, name, &kit::ids::random_bytes::<32>()).await.unwrap());
    }
    let mut conn = pool.acquire().await.unwrap();
    let rooms = [
        db::rooms::open_pair(&mut conn, users[0], users[1]).await.unwrap(),
        db::rooms::open_pair(&mut conn, users[1], users[2]).await.unwrap(),
    ];
    drop(conn);
    contract(Arc::new(PostgresRooms::new(pool)), Talk { rooms, users: [users[0], users[1]] }).await;
}

#[tokio::test]
async fn mongodb_keeps_the_contract_of_rooms() {
    let server = MongoServer::start();
    let store = MongoRooms::new(&Secret::new(server.url()), &server.database()).await.unwrap();
    let rooms = [RoomId::from_uuid(kit::ids::uuid()), RoomId::from_uuid(kit::ids::uuid())];
    let users = [UserId::from_uuid(kit::ids::uuid()), UserId::from_uuid(kit::ids::uuid())];
    contract(Arc::new(store), Talk { rooms, users }).await;
}
