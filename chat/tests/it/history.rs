//! One contract, two stores.

use std::sync::Arc;

use chat::history::{History, MongoHistory, PostgresHistory, Span, Stored, StreamPoint};
use chat::message::{Author, Message};
use domain::{MessageId, StreamId, UserId};
use kit::Secret;
use testkit::mongo::MongoServer;
use testkit::services;

struct Room {
    channel: UserId,
    stream: StreamId,
    author: UserId,
}

impl Room {
    fn message(&self, number: i64) -> Message {
        let now = kit::clock::now();
        Message {
            id: MessageId::from_uuid(kit::ids::uuid()),
            channel: self.channel,
            stream: Some(self.stream),
            author: Author {
                id: self.author,
                username: "bob".to_owned(),
                display_name: "Bob 🦀".to_owned(),
                badges: vec!["moderator".to_owned()],
            },
            text: format!("line {number}"),
            client_id: format!("c{number}"),
            sent_at: domain::Timestamp::from_timestamp_millis(now.timestamp_millis()).unwrap(),
            // Three messages share a millisecond.
            offset_ms: Some(number / 3 * 100),
        }
    }
}

/// Everything a store owes its callers.
async fn contract(history: Arc<dyn History>, room: Room) {
    history.ping().await.unwrap();
    let said: Vec<Message> = (0..20).map(|number| room.message(number)).collect();
    for message in &said {
        assert_eq!(history.insert(message).await.unwrap(), Stored::New);
    }
    offline_messages_belong_to_the_channel_only(&*history, &room).await;
    inserting_is_idempotent(&*history, &room, &said).await;
    pages_leave_no_gap(&*history, &room, &said).await;
    racing_inserts_store_one(&history, &room).await;
    deleted_messages_are_gone(&*history, &room, &said).await;
}

async fn offline_messages_belong_to_the_channel_only(history: &dyn History, room: &Room) {
    let message = Message { stream: None, offset_ms: None, client_id: "offline".to_owned(), ..room.message(99) };
    history.insert(&message).await.unwrap();
    let latest = history.channel_page(room.channel, Span::Latest, 1).await.unwrap();
    assert_eq!(latest, std::slice::from_ref(&message));
    assert_eq!(history.stream_page(room.stream, Span::Latest, 100).await.unwrap().len(), 20);
    assert_eq!(history.point(message.id).await.unwrap(), None);
    assert!(history.delete(message.id, room.author, kit::clock::now()).await.unwrap());
}

async fn inserting_is_idempotent(history: &dyn History, room: &Room, said: &[Message]) {
    let again = Message { text: "changed".to_owned(), client_id: said[3].client_id.clone(), ..room.message(3) };
    assert_eq!(history.insert(&again).await.unwrap(), Stored::Before(Box::new(said[3].clone())));
    assert_eq!(history.insert(&said[3]).await.unwrap(), Stored::Before(Box::new(said[3].clone())));
    assert_eq!(history.find(again.id).await.unwrap(), None);
    assert_eq!(history.find(said[3].id).await.unwrap().as_ref(), Some(&said[3]));
}

async fn pages_leave_no_gap(history: &dyn History, room: &Room, said: &[Message]) {
    assert_eq!(history.channel_page(room.channel, Span::Latest, 100).await.unwrap(), said);
    assert_eq!(history.channel_page(room.channel, Span::Latest, 5).await.unwrap(), said[15..]);
    let before = history.channel_page(room.channel, Span::Before(said[7].id), 3).await.unwrap();
    assert_eq!(before, said[4..7]);
    let after = history.channel_page(room.channel, Span::After(said[7].id), 3).await.unwrap();
    assert_eq!(after, said[8..11]);
    assert!(history.channel_page(room.channel, Span::After(said[19].id), 3).await.unwrap().is_empty());
    assert!(history.channel_page(UserId::from_uuid(kit::ids::uuid()), Span::Latest, 3).await.unwrap().is_empty());

    assert_eq!(history.stream_page(room.stream, Span::Latest, 100).await.unwrap(), said);
    let from = history.stream_page(room.stream, Span::After(StreamPoint::at(200)), 4).await.unwrap();
    assert_eq!(from, said[6..10], "an offset includes its own millisecond");
    let before = history.stream_page(room.stream, Span::Before(StreamPoint::at(200)), 2).await.unwrap();
    assert_eq!(before, said[4..6]);
    let (mut walked, mut at) = (Vec::new(), StreamPoint::at(-1));
    loop {
        let page = history.stream_page(room.stream, Span::After(at), 4).await.unwrap();
        let Some(last) = page.last() else { break };
        at = history.point(last.id).await.unwrap().expect("it is part of the stream");
        walked.extend(page);
    }
    assert_eq!(walked, said, "page borders inside one millisecond lose nothing");
}

async fn racing_inserts_store_one(history: &Arc<dyn History>, room: &Room) {
    let mut racers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let message = Message { client_id: "race".to_owned(), ..room.message(number + 200) };
        let history = Arc::clone(history);
        racers.spawn(async move { (message.id, history.insert(&message).await.unwrap()) });
    }
    let outcomes = racers.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter(|(_, stored)| *stored == Stored::New).map(|(id, _)| *id).collect();
    assert_eq!(winners.len(), 1);
    for (_, stored) in outcomes {
        if let Stored::Before(message) = stored {
            assert_eq!(message.id, winners[0]);
        }
    }
    assert!(history.delete(winners[0], room.author, kit::clock::now()).await.unwrap());
}

async fn deleted_messages_are_gone(history: &dyn History, room: &Room, said: &[Message]) {
    let moderator = UserId::from_uuid(kit::ids::uuid());
    assert!(history.delete(said[5].id, moderator, kit::clock::now()).await.unwrap());
    assert!(!history.delete(said[5].id, moderator, kit::clock::now()).await.unwrap());
    assert!(!history.delete(MessageId::from_uuid(kit::ids::uuid()), moderator, kit::clock::now()).await.unwrap());
    assert_eq!(history.find(said[5].id).await.unwrap(), None);
    let page = history.channel_page(room.channel, Span::After(said[3].id), 3).await.unwrap();
    assert_eq!(page, [said[4].clone(), said[6].clone(), said[7].clone()]);
    assert_eq!(history.stream_page(room.stream, Span::Latest, 100).await.unwrap().len(), 19);
    let point = history.point(said[5].id).await.unwrap();
    assert_eq!(point, Some(StreamPoint { offset_ms: 100, id: said[5].id }), "a page may begin at a deleted message");
}

#[tokio::test]
async fn postgres_keeps_the_contract() {
    let (url, _database) = services::database().await;
    let pool = db::testing::pool(&url).unwrap();
    let channel = db::testing::add_channel(&pool, "alice", &kit::ids::random_bytes()).await.unwrap();
    let room =
        Room { channel, stream: StreamId::from_uuid(kit::ids::uuid()), author: UserId::from_uuid(kit::ids::uuid()) };
    contract(Arc::new(PostgresHistory::new(pool)), room).await;
}

#[tokio::test]
async fn mongodb_keeps_the_contract() {
    let server = MongoServer::start();
    let history = MongoHistory::new(&Secret::new(server.url()), &server.database()).await.unwrap();
    let fresh = || kit::ids::uuid();
    let room = Room {
        channel: UserId::from_uuid(fresh()),
        stream: StreamId::from_uuid(fresh()),
        author: UserId::from_uuid(fresh()),
    };
    contract(Arc::new(history), room).await;
}
