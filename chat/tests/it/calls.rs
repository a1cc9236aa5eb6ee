//! What a line that names members leaves behind for them.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::mongo::MongoServer;
use tokio::time::Instant;

use crate::site::{Account, Site, join, say, until};

/// Events that wait in the outbox, in order.
async fn calls(site: &Site) -> Vec<Value> {
    let query = "SELECT payload FROM outbox WHERE kind = 'mentioned' ORDER BY outbox_id";
    let rows = db::testing::rows(&site.pool, query).await.unwrap();
    rows.into_iter().map(|row| row["payload"].clone()).collect()
}

async fn called(site: &Site, count: usize) -> Vec<Value> {
    until(Duration::from_secs(5), async || calls(site).await, |calls| calls.len() == count).await
}

fn ids(accounts: &[&Account]) -> Value {
    accounts.iter().map(|account| json!(account.id)).collect()
}

#[tokio::test]
async fn whoever_a_line_names_is_called_once_and_the_first_few_only() {
    let mut site = Site::start().await;
    let server = MongoServer::start();
    site.config.chat.mongodb_url = kit::Secret::new(server.url());
    site.config.chat.mongodb_database = server.database();
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let mut crowd = Vec::new();
    for number in 0..7 {
        crowd.push(site.member(&format!("fan{number}")).await);
    }
    let (stream, _vod) = site.go_live(&alice, Duration::from_secs(5)).await;
    let node = site.node().await;
    let speaker = node.sign_in(&bob).await;
    join(&speaker, &alice).await;
    assert_eq!(say(&speaker, &alice, "nobody in particular, not even @bob or @stranger").await["ok"], true);
    let body = json!({ "username": "alice", "text": "hi @alice, says @bob", "client_id": "once" });
    let said = speaker.ask("chat:send", body.clone()).await.unwrap()["message"].clone();
    assert_eq!(
        called(&site, 1).await,
        [json!({
            "type": "mentioned", "message_id": said["id"], "channel_id": alice.id, "author_id": bob.id,
            "stream_id": stream, "user_ids": [alice.id],
        })]
    );
    // Sent again, or changed, it calls nobody again.
    assert_eq!(speaker.ask("chat:send", body).await.unwrap()["message"]["id"], said["id"]);
    let change = json!({ "id": said["id"], "text": "hi @fan0" });
    assert_eq!(speaker.ask("chat:edit", change).await.unwrap()["ok"], true);
    let line: String = crowd.iter().map(|fan| format!("@{} ", fan.name)).collect();
    say(&speaker, &alice, &line).await;
    let calls = called(&site, 2).await;
    assert_eq!(calls[1]["user_ids"], ids(&crowd.iter().take(5).collect::<Vec<_>>()));
    node.stop().await;
    assert_eq!(called(&site, 2).await.len(), 2, "and nothing comes later");
}

#[tokio::test]
async fn a_line_does_not_wait_for_its_calls_and_they_are_not_lost() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let speaker = node.sign_in(&bob).await;
    join(&speaker, &alice).await;
    site.execute("ALTER TABLE outbox RENAME TO outbox_away").await;
    let begun = Instant::now();
    for number in 0..3 {
        let said = say(&speaker, &alice, &format!("@alice {number}")).await;
        assert_eq!(said["ok"], true, "{said}");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    site.execute("ALTER TABLE outbox_away RENAME TO outbox").await;
    called(&site, 3).await;

    // What is said last is told before the node is gone.
    say(&speaker, &alice, "@alice bye").await;
    node.stop().await;
    assert_eq!(calls(&site).await.len(), 4);
}
