//! Members who are named in chats.

use std::time::Duration;

use domain::event::Event;
use domain::{MessageId, StreamId, UserId};
use futures::StreamExt;
use live::fanout::Target;

use crate::{OPEN_JOBS, Site, WAITING};

const TOLD: &str = "SELECT u.username AS who, a.username AS by, c.username AS channel, n.message, n.entity_id
                      FROM notifications n
                      JOIN users u ON u.user_id = n.user_id
                      JOIN users a ON a.user_id = n.actor_id
                      JOIN users c ON c.user_id = n.channel_id
                     WHERE n.type = 'mention' AND n.entity_type = 'message'
                     ORDER BY n.notification_id";

struct Chat<'a> {
    site: &'a Site,
    channel: UserId,
    stream: Option<StreamId>,
}

impl Chat<'_> {
    /// Somebody names others. Returns whom they reached when the job is done.
    async fn names(&self, author: UserId, users: &[UserId]) -> Vec<String> {
        self.names_in(MessageId::from_uuid(kit::ids::uuid()), author, users).await
    }

    async fn names_in(&self, message_id: MessageId, author: UserId, users: &[UserId]) -> Vec<String> {
        let event = Event::Mentioned {
            message_id,
            channel_id: self.channel,
            author_id: author,
            stream_id: self.stream,
            user_ids: users.to_vec(),
        };
        let before = self.told().await.len();
        self.site.tell(&event).await;
        self.site.until(WAITING, 0, Duration::from_secs(10)).await;
        self.site.until(OPEN_JOBS, 0, Duration::from_secs(10)).await;
        self.told().await.split_off(before)
    }

    async fn told(&self) -> Vec<String> {
        let rows = db::testing::rows(&self.site.deps.pool, TOLD).await.unwrap();
        rows.into_iter().map(|row| row["who"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_mention_is_told_once_to_those_who_may_hear_of_it() {
    let site = Site::start(|_| {}).await;
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol", "dave", "erin", "frank"] {
        users.push(site.channel(name).await);
    }
    let [alice, bob, carol, dave, erin, frank] = users[..] else { unreachable!() };
    let mut conn = site.deps.pool.acquire().await.unwrap();
    db::friends::block(&mut conn, dave, bob).await.unwrap();
    drop(conn);
    site.execute(&format!(
        "INSERT INTO chat_sanctions (channel_id, user_id, act_id, ends_at, imposed_by)
         VALUES ('{alice}', '{erin}', gen_random_uuid(), NULL, '{alice}'),
                ('{alice}', '{carol}', gen_random_uuid(), now() + interval '1 hour', '{alice}');
         INSERT INTO notification_choices (user_id, type, is_wanted) VALUES ('{frank}', 'mention', false)"
    ))
    .await;
    let (_running, _stop) = site.run();
    let chat = Chat { site: &site, channel: alice, stream: None };
    let mut heard = live::fanout::subscribe(&site.deps.live).await.unwrap();
    let line = MessageId::from_uuid(kit::ids::uuid());
    let named = [bob, carol, dave, erin, frank, alice];
    // Dave has blocked Bob, Erin is banned, Frank wants no such thing; Carol only has to be silent.
    assert_eq!(chat.names_in(line, bob, &named).await, ["carol", "alice"]);
    assert_eq!(chat.names_in(line, bob, &named).await, Vec::<String>::new(), "told twice, heard once");
    let rows = db::testing::rows(&site.deps.pool, TOLD).await.unwrap();
    assert_eq!((rows[0]["by"].as_str(), rows[0]["channel"].as_str()), (Some("bob"), Some("alice")));
    assert_eq!(rows[0]["message"], "bob mentioned you in the chat of alice");
    assert_eq!(rows[0]["entity_id"], line.to_string());
    let push = loop {
        let push = tokio::time::timeout(Duration::from_secs(5), heard.next()).await.unwrap().unwrap();
        if push.target == Target::User(carol) {
            break push;
        }
    };
    assert_eq!((&push.payload["type"], &push.payload["entity_type"]), (&"mention".into(), &"message".into()));
    assert_eq!(push.payload["actor"]["username"], "bob");
    assert_eq!(push.payload["channel"]["username"], "alice");

    // Who is banned themselves, or out of use, names nobody.
    assert_eq!(chat.names(erin, &[bob]).await, Vec::<String>::new());
    site.execute(&format!("UPDATE users SET is_barred = true WHERE user_id = '{frank}'")).await;
    assert_eq!(chat.names(frank, &[bob]).await, Vec::<String>::new());
    // What is on air for some is told to some.
    let stream = site.live_stream(alice).await;
    site.execute(&format!(
        "UPDATE streams SET visibility = 'followers';
         INSERT INTO follows (channel_id, follower_id) VALUES ('{alice}', '{bob}')"
    ))
    .await;
    let chat = Chat { stream: Some(stream), ..chat };
    assert_eq!(
        chat.names(dave, &[carol, bob]).await,
        Vec::<String>::new(),
        "Bob and Dave are apart, Carol follows not"
    );
    assert_eq!(chat.names(carol, &[bob, erin, dave]).await, ["bob"]);
}

#[tokio::test]
async fn nobody_is_told_more_often_than_they_can_bear() {
    let site = Site::start(|_| {}).await;
    let (alice, bob, carol) = (site.channel("alice").await, site.channel("bob").await, site.channel("carol").await);
    let (_running, _stop) = site.run();
    let chat = Chat { site: &site, channel: alice, stream: None };
    let elsewhere = Chat { site: &site, channel: carol, stream: None };
    assert_eq!(chat.names(bob, &[carol]).await, ["carol"]);
    assert_eq!(chat.names(bob, &[carol]).await, Vec::<String>::new(), "unread, and a moment ago");
    assert_eq!(elsewhere.names(bob, &[carol]).await, ["carol"], "another chat");
    assert_eq!(chat.names(alice, &[carol]).await, ["carol"], "another author");
    site.execute("UPDATE notifications SET is_read = true").await;
    assert_eq!(chat.names(bob, &[carol]).await, ["carol"], "the last was read");
    // Six minutes later.
    site.execute("UPDATE notifications SET created_at = created_at - interval '6 minutes'").await;
    assert_eq!(chat.names(bob, &[carol]).await, ["carol"]);

    let mut crowd = Vec::new();
    for number in 0..12 {
        crowd.push(site.channel(&format!("fan{number}")).await);
    }
    let mut reached = Vec::new();
    for few in crowd.chunks(4) {
        reached.extend(chat.names(bob, few).await);
    }
    // Carol was the first of ten in this minute.
    assert_eq!(reached.len(), 9, "{reached:?}");
    assert_eq!(reached[8], "fan8", "in the order of their names");
    assert_eq!(chat.names(alice, &crowd[9..10]).await, ["fan9"], "what one has used up another has not");
}
