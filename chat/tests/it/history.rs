//! One contract, two stores.

use std::collections::BTreeMap;
use std::sync::Arc;

use chat::history::{Edit, History, MongoHistory, PostgresHistory, Reacted, Span, Stored, StreamPoint};
use chat::message::{Author, Message, Reaction};
use domain::chat::reaction::KINDS_MAX;
use domain::chat::{Mention, MessageKind};
use domain::user::Username;
use domain::{MessageId, StreamId, UserId};
use kit::Secret;
use testkit::mongo::MongoServer;
use testkit::services;

#[derive(Clone, Copy)]
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
            kind: MessageKind::Message,
            reply_to: None,
            thread: None,
            mentions: Vec::new(),
            emotes: BTreeMap::new(),
            edited_at: None,
            changed_at: None,
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
    everything_a_message_is_comes_back(&*history, &room).await;
    authors_edit_and_everybody_who_was_away_hears_of_it(&*history, &room).await;
    reactions_are_counted_once_a_member(&*history, &room).await;
    a_message_carries_so_many_emoji_and_no_more(&*history, &room).await;
    what_is_struck_together_comes_back_together_and_is_heard_of(&*history, &room).await;
}

async fn what_is_struck_together_comes_back_together_and_is_heard_of(history: &dyn History, room: &Room) {
    let moderator = UserId::from_uuid(kit::ids::uuid());
    let troll = Room { author: UserId::from_uuid(kit::ids::uuid()), ..*room };
    let lines = [(&troll, "foul"), (&troll, "fouler"), (room, "fine")]
        .map(|(room, client_id)| Message { client_id: client_id.to_owned(), ..room.message(600) });
    for line in &lines {
        history.insert(line).await.unwrap();
    }
    let at = now() + std::time::Duration::from_secs(60);
    let (earlier, later) = (at - std::time::Duration::from_secs(1), at + std::time::Duration::from_secs(1));
    let heard = async |since| {
        let kept = history.changed_since(room.channel, since, 100).await.unwrap();
        kept.into_iter().map(|kept| (kept.message.id, kept.is_deleted)).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(history.delete(lines[0].id, troll.author, earlier).await.unwrap());
    assert_eq!(history.clear(room.channel, Some(troll.author), moderator, at).await.unwrap(), 1, "one is gone already");
    assert_eq!(heard(at).await, [(lines[1].id, true)].into());
    assert!(history.find(lines[2].id).await.unwrap().is_some(), "another's line stands");
    assert_eq!(history.restore(room.channel, troll.author, at, later).await.unwrap(), 0, "somebody else struck it");
    assert_eq!(history.restore(room.channel, moderator, at, later).await.unwrap(), 1);
    assert_eq!(heard(later).await, [(lines[1].id, false)].into());
    assert_eq!(history.find(lines[0].id).await.unwrap(), None, "what was struck before stays struck");
    let said = history.said_by(room.channel, troll.author, 1).await.unwrap();
    let said: Vec<_> = said.iter().map(|kept| (kept.message.id, kept.is_deleted)).collect();
    assert_eq!(said, [(lines[1].id, false)], "the last of them");
    assert!(history.said_by(room.channel, troll.author, 9).await.unwrap()[0].is_deleted);
    assert_eq!(history.said_count(room.channel, troll.author, 9).await.unwrap(), 2);
    assert_eq!(history.said_count(room.channel, troll.author, 1).await.unwrap(), 1, "counted so far");
    assert!(history.clear(room.channel, None, moderator, later).await.unwrap() >= 2);
    assert!(history.channel_page(room.channel, Span::Latest, 10).await.unwrap().is_empty());
}

async fn everything_a_message_is_comes_back(history: &dyn History, room: &Room) {
    let root = Message { client_id: "root".to_owned(), ..room.message(300) };
    history.insert(&root).await.unwrap();
    let reply = Message {
        client_id: "reply".to_owned(),
        kind: MessageKind::Announcement,
        reply_to: Some(root.id),
        thread: Some(root.id),
        mentions: vec![Mention { id: room.author, username: Username::parse("bob").unwrap() }],
        emotes: BTreeMap::from([("gg".to_owned(), "/emotes/gg.svg".to_owned())]),
        ..room.message(301)
    };
    history.insert(&reply).await.unwrap();
    assert_eq!(history.find(reply.id).await.unwrap().as_ref(), Some(&reply));
    assert_eq!(history.thread(root.id, 10).await.unwrap(), std::slice::from_ref(&reply));
    assert!(history.delete(root.id, room.author, kit::clock::now()).await.unwrap());
    let mut kept = history.find_all(&[root.id, reply.id, MessageId::from_uuid(kit::ids::uuid())]).await.unwrap();
    kept.sort_by_key(|kept| kept.message.id);
    let seen: Vec<_> = kept.iter().map(|kept| (kept.message.id, kept.is_deleted)).collect();
    assert_eq!(seen, [(root.id, true), (reply.id, false)]);
    assert!(history.delete(reply.id, room.author, kit::clock::now()).await.unwrap());
    assert!(history.thread(root.id, 10).await.unwrap().is_empty());
}

fn now() -> domain::Timestamp {
    domain::Timestamp::from_timestamp_millis(kit::clock::now().timestamp_millis()).unwrap()
}

async fn authors_edit_and_everybody_who_was_away_hears_of_it(history: &dyn History, room: &Room) {
    let message = Message { client_id: "edit".to_owned(), ..room.message(400) };
    history.insert(&message).await.unwrap();
    let gone = Message { client_id: "gone".to_owned(), ..room.message(401) };
    history.insert(&gone).await.unwrap();
    let edit = Edit {
        text: "better".to_owned(),
        mentions: vec![Mention { id: room.author, username: Username::parse("bob").unwrap() }],
        emotes: BTreeMap::from([("gg".to_owned(), "/emotes/gg.svg".to_owned())]),
    };
    let since = now();
    let stranger = UserId::from_uuid(kit::ids::uuid());
    assert_eq!(history.edit(message.id, stranger, &edit, since).await.unwrap(), None);
    let edited = history.edit(message.id, room.author, &edit, since).await.unwrap().unwrap();
    let expected = Message {
        text: edit.text.clone(),
        mentions: edit.mentions.clone(),
        emotes: edit.emotes.clone(),
        edited_at: Some(since),
        changed_at: Some(since),
        ..message
    };
    assert_eq!(edited, expected);
    assert_eq!(history.find(edited.id).await.unwrap(), Some(expected));
    let later = since + std::time::Duration::from_secs(1);
    assert!(history.delete(gone.id, room.author, later).await.unwrap());
    assert_eq!(history.edit(gone.id, room.author, &edit, later).await.unwrap(), None, "it is gone");
    let changed = |kept: Vec<chat::history::Kept>| {
        kept.into_iter().map(|kept| (kept.message.id, kept.is_deleted)).collect::<Vec<_>>()
    };
    let all = changed(history.changed_since(room.channel, since, 10).await.unwrap());
    assert_eq!(all, [(edited.id, false), (gone.id, true)]);
    assert_eq!(changed(history.changed_since(room.channel, since, 1).await.unwrap()), [(edited.id, false)]);
    assert_eq!(changed(history.changed_since(room.channel, later, 10).await.unwrap()), [(gone.id, true)]);
}

async fn reactions_are_counted_once_a_member(history: &dyn History, room: &Room) {
    let message = Message { client_id: "react".to_owned(), ..room.message(500) };
    history.insert(&message).await.unwrap();
    let others: Vec<UserId> = (0..3).map(|_| UserId::from_uuid(kit::ids::uuid())).collect();
    let react = async |by, emoji, is_on, at| history.react(message.id, by, emoji, is_on, at).await.unwrap();
    let (first, second) = (now(), now() + std::time::Duration::from_secs(1));
    for user in &others {
        assert_eq!(react(*user, "👍", true, first).await, Reacted::Done);
        assert_eq!(react(*user, "👍", true, second).await, Reacted::Done, "asked twice, done once");
    }
    assert_eq!(react(others[0], ":gg:", true, second).await, Reacted::Done);
    let counted = async |asker| history.reactions(&[message.id], asker).await.unwrap().remove(&message.id);
    let reaction = |emoji: &str, count, is_mine| Reaction { emoji: emoji.to_owned(), count, is_mine };
    assert_eq!(counted(None).await, Some(vec![reaction("👍", 3, false), reaction(":gg:", 1, false)]));
    assert_eq!(counted(Some(others[0])).await, Some(vec![reaction("👍", 3, true), reaction(":gg:", 1, true)]));
    assert_eq!(counted(Some(others[1])).await, Some(vec![reaction("👍", 3, true), reaction(":gg:", 1, false)]));
    assert_eq!(react(others[0], ":gg:", false, second).await, Reacted::Done);
    assert_eq!(react(others[0], ":gg:", false, second).await, Reacted::Done, "taken back twice");
    assert_eq!(counted(None).await, Some(vec![reaction("👍", 3, false)]));
    assert_eq!(history.find(message.id).await.unwrap().unwrap().changed_at, Some(second));
    assert!(history.delete(message.id, room.author, second).await.unwrap());
    for is_on in [true, false] {
        assert_eq!(react(others[0], "👍", is_on, second).await, Reacted::Gone);
    }
}

async fn a_message_carries_so_many_emoji_and_no_more(history: &dyn History, room: &Room) {
    let message = Message { client_id: "crowded".to_owned(), ..room.message(501) };
    history.insert(&message).await.unwrap();
    for kind in 0..KINDS_MAX {
        let emoji = format!(":e{kind}:");
        assert_eq!(history.react(message.id, room.author, &emoji, true, now()).await.unwrap(), Reacted::Done);
    }
    assert_eq!(history.react(message.id, room.author, ":one_more:", true, now()).await.unwrap(), Reacted::TooMany);
    let other = UserId::from_uuid(kit::ids::uuid());
    assert_eq!(history.react(message.id, other, ":e3:", true, now()).await.unwrap(), Reacted::Done);
    let counted = history.reactions(&[message.id], None).await.unwrap().remove(&message.id).unwrap();
    assert_eq!(counted.len(), KINDS_MAX);
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
