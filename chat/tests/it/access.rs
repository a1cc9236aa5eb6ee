//! Rooms of channels that air something that is not for everybody.

use std::time::Duration;

use domain::Visibility;
use domain::user::Role;
use live::fanout::{Push, STREAM_ACCESS, Target};
use serde_json::{Value, json};
use testkit::socket::SocketClient;

use crate::site::{Account, Site, join, say, until};

async fn knock(client: &SocketClient, channel: &Account, link: Option<&str>) -> Value {
    let body = match link {
        Some(link) => json!({ "username": channel.name, "stream_id": link }),
        None => json!({ "username": channel.name }),
    };
    client.ask("stream:join", body).await.unwrap()
}

async fn set(site: &Site, visibility: Visibility) {
    let name = visibility.as_str();
    site.execute(&format!("UPDATE streams SET visibility = '{name}'; UPDATE vods SET visibility = '{name}'")).await;
}

#[tokio::test]
async fn a_room_is_open_to_those_whom_the_stream_is_for() {
    let site = Site::start().await;
    let (alice, olga, fred) = (site.member("alice").await, site.member("olga").await, site.member("fred").await);
    let (mona, ada) = (site.member_as("mona", Role::Moderator).await, site.member_as("ada", Role::Admin).await);
    site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{}', '{}')", alice.id, fred.id))
        .await;
    let (stream, vod) = site.go_live(&alice, Duration::from_secs(60)).await;
    let node = site.node().await;
    let link = stream.to_string();
    for visibility in Visibility::ALL {
        set(&site, visibility).await;
        // What was known a moment ago is believed for a second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let people = [
            ("visitor", node.anonymous().await),
            ("other", node.sign_in(&olga).await),
            ("follower", node.sign_in(&fred).await),
            ("owner", node.sign_in(&alice).await),
            ("moderator", node.sign_in(&mona).await),
            ("admin", node.sign_in(&ada).await),
        ];
        for (who, client) in people {
            let is_known = match visibility {
                Visibility::Public => true,
                Visibility::Followers => !matches!(who, "visitor" | "other"),
                Visibility::Unlisted | Visibility::Private => matches!(who, "owner" | "moderator" | "admin"),
            };
            let told = format!("{who} and {visibility:?}");
            let answer = knock(&client, &alice, None).await;
            assert_eq!(answer["ok"], is_known, "{told}: {answer}");
            let past = client.ask("chat:history", json!({ "username": "alice" })).await.unwrap();
            assert_eq!(past["ok"], is_known, "{told}: {past}");
            let may_see_vod = is_known || visibility == Visibility::Unlisted;
            let replay = client.ask("chat:history", json!({ "vod_id": vod })).await.unwrap();
            assert_eq!(replay["ok"], may_see_vod, "{told}: {replay}");
            if !is_known {
                assert_eq!(answer["code"], "chat.closed", "{told}");
                assert!(!answer.to_string().contains(&link), "{told}: nothing is given away");
                if who != "visitor" {
                    assert_eq!(say(&client, &alice, "hello?").await["code"], "chat.closed", "{told}");
                }
            }
            let by_link = knock(&client, &alice, Some(&link)).await;
            assert_eq!(by_link["ok"], may_see_vod, "{told} with the link: {by_link}");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn whoever_it_is_not_for_is_shown_out_and_does_not_read_it_later() {
    let site = Site::start().await;
    let (alice, olga, fred) = (site.member("alice").await, site.member("olga").await, site.member("fred").await);
    site.execute(&format!("INSERT INTO follows (channel_id, follower_id) VALUES ('{}', '{}')", alice.id, fred.id))
        .await;
    let node = site.node().await;
    let (guest, stranger) = (node.anonymous().await, node.sign_in(&olga).await);
    let (follower, owner) = (node.sign_in(&fred).await, node.sign_in(&alice).await);
    for client in [&guest, &stranger, &follower, &owner] {
        join(client, &alice).await;
    }
    let before = say(&stranger, &alice, "before").await;
    let (stream, _) = site.go_live(&alice, Duration::ZERO).await;
    set(&site, Visibility::Followers).await;
    // As the relay tells it. Even if it did not, the sweep would find out.
    let online = Push {
        target: Target::Channel(alice.name.clone()),
        event: "stream:online".to_owned(),
        payload: json!({ "username": "alice", "stream_id": stream, "is_resumed": false }),
        origin: None,
    };
    live::fanout::publish(&node.live, &online).await.unwrap();
    assert_eq!(follower.next("stream:online").await.unwrap()["stream_id"], stream.to_string());
    for client in [&guest, &stranger] {
        assert_eq!(client.next("chat:closed").await.unwrap(), json!({ "username": "alice" }));
    }
    let secret = say(&owner, &alice, "for followers").await;
    assert_eq!(follower.next_where("chat:message", |m| m["text"] == "for followers").await.unwrap(), secret["message"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for client in [&guest, &stranger] {
        assert!(client.drain("stream:online").await.is_empty(), "they are not told that there is something");
        let heard = client.drain("chat:message").await;
        assert!(heard.iter().all(|message| message["text"] == "before"), "{heard:?}");
    }

    // A follower who leaves is shown out by the sweep.
    site.execute("DELETE FROM follows").await;
    follower.next("chat:closed").await.unwrap();

    // Afterwards the room is everybody's again; what was said then is not.
    site.execute("UPDATE streams SET status = 'ended', ended_at = now()").await;
    let joined = until(Duration::from_secs(5), || knock(&stranger, &alice, None), |answer| answer["ok"] == true).await;
    assert_eq!(joined["history"], json!([before["message"]]));
    let again = join(&owner, &alice).await;
    assert_eq!(again["history"], json!([before["message"], secret["message"]]));
    node.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_closed_ends_for_those_it_is_not_for_any_more() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let (stream, _) = site.go_live(&alice, Duration::from_secs(60)).await;
    let node = site.node().await;
    let (guest, owner) = (node.anonymous().await, node.sign_in(&alice).await);
    join(&guest, &alice).await;
    join(&owner, &alice).await;
    set(&site, Visibility::Private).await;
    let access = |was: &str, now: &str| Push {
        target: Target::Site,
        event: STREAM_ACCESS.to_owned(),
        payload: json!({ "username": "alice", "stream_id": stream, "was": was, "now": now }),
        origin: None,
    };
    live::fanout::publish(&node.live, &access("public", "private")).await.unwrap();
    guest.next("chat:closed").await.unwrap();
    guest.next("stream:offline").await.unwrap();
    owner.next("stream:online").await.unwrap();
    assert!(guest.drain("stream:online").await.is_empty());
    assert!(guest.drain(STREAM_ACCESS).await.is_empty(), "that is between nodes");

    set(&site, Visibility::Public).await;
    live::fanout::publish(&node.live, &access("private", "public")).await.unwrap();
    assert_eq!(guest.next("stream:online").await.unwrap()["stream_id"], stream.to_string());
    node.stop().await;
}
