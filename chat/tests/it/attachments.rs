//! Messages with pictures and files: over both stores, bound once, and only one's own.

use std::time::Duration;

use db::attachments::{New, Picture};
use domain::{AttachmentId, RoomId};
use serde_json::{Value, json};
use testkit::mongo::MongoServer;

use crate::rooms::{ask, code, group, pair};
use crate::site::{Account, Site, until};

/// An upload as the API leaves it.
async fn upload(site: &Site, room: RoomId, who: &Account, is_checked: bool) -> AttachmentId {
    let id = AttachmentId::from_uuid(kit::ids::uuid());
    let new = New {
        id,
        room,
        user: who.id,
        lock: "lock",
        name: "cat.jpg",
        mime: "image/jpeg",
        bytes: 9,
        picture: Some(Picture { width: 4, height: 3, thumb_mime: "image/jpeg" }),
        sha256: &[7; 32],
        stored_bytes: 9,
        has_upload: false,
    };
    let mut tx = db::begin(&site.pool).await.unwrap();
    db::attachments::reserve(&mut tx, &new, 0).await.unwrap();
    db::attachments::stored(&mut tx, id, !is_checked).await.unwrap().unwrap();
    db::commit(tx).await.unwrap();
    id
}

fn shown(room: RoomId, id: AttachmentId) -> Value {
    let url = format!("/api/v1/rooms/{room}/attachments/{id}");
    json!({
        "id": id, "name": "cat.jpg", "type": "image", "mime": "image/jpeg", "bytes": 9, "width": 4, "height": 3,
        "state": "ready", "thumbnail_url": format!("{url}/thumbnail"), "url": url,
    })
}

async fn messages_carry_what_went_out_with_them(site: &Site) {
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let room = pair(site, &alice, &bob).await;
    let node = site.node().await;
    let (writer, reader) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let id = upload(site, room, &alice, true).await;
    let body = json!({ "room_id": room, "client_id": "c1", "attachment_id": id });
    // A store that is slow to begin.
    let send = async || writer.ask("room:send", body.clone()).await.unwrap();
    let first = until(Duration::from_secs(15), send, |answer| answer["ok"] == true).await;
    assert_eq!((&first["message"]["text"], &first["message"]["attachment"]), (&json!(""), &shown(room, id)));
    let heard = reader.next_where("room:message", |message| message["id"] == first["message"]["id"]).await.unwrap();
    assert_eq!(heard, first["message"]);
    assert_eq!(ask(&writer, "room:send", body).await, first, "sent again, it is the same message");
    let second = json!({ "room_id": room, "text": "x", "client_id": "c2", "attachment_id": id });
    assert_eq!(code(&writer, "room:send", second).await, "attachment.sent");

    let history = ask(&reader, "room:history", json!({ "room_id": room })).await;
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
    assert_eq!(history["items"][0], first["message"]);
    let answer = json!({ "room_id": room, "text": "nice", "client_id": "r", "reply_to": first["message"]["id"] });
    let answer = ask(&reader, "room:send", answer).await["message"].clone();
    assert_eq!(answer["reply_to"]["attachment"], "image");
    assert!(answer.get("attachment").is_none());

    // What a scanner says while somebody is away is told when they come back.
    let checking = upload(site, room, &alice, false).await;
    let body = json!({ "room_id": room, "text": "wait harbour", "client_id": "c3", "attachment_id": checking });
    let sent = ask(&writer, "room:send", body).await["message"].clone();
    assert_eq!((&sent["attachment"]["state"], &sent["attachment"]["url"]), (&json!("checking"), &Value::Null));
    let now = history["now"].clone();
    db::attachments::pass(&mut site.pool.acquire().await.unwrap(), checking).await.unwrap().unwrap();
    let missed = json!({ "room_id": room, "after": sent["id"], "since": now });
    let missed = ask(&reader, "room:history", missed).await["attachments"].clone();
    let of_it = missed.as_array().unwrap().iter().find(|one| one["message_id"] == sent["id"]).unwrap();
    assert_eq!(of_it["attachment"], shown(room, checking));
    let found = ask(&reader, "room:search", json!({ "q": "harbour" })).await;
    assert_eq!(found["items"][0]["attachment"], shown(room, checking));

    // With the message it goes.
    ask(&writer, "room:delete", json!({ "id": sent["id"] })).await;
    let query = format!(
        "SELECT 1 AS n FROM attachments WHERE attachment_id = '{checking}' AND gone_at IS NOT NULL AND due_at <= now()"
    );
    assert_eq!(db::testing::rows(&site.pool, &query).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_carries_what_went_out_with_it_with_postgres() {
    messages_carry_what_went_out_with_them(&Site::start().await).await;
}

#[tokio::test]
async fn a_message_carries_what_went_out_with_it_with_mongodb() {
    let mut site = Site::start().await;
    let server = MongoServer::start();
    site.config.chat.mongodb_url = kit::Secret::new(server.url());
    site.config.chat.mongodb_database = server.database();
    messages_carry_what_went_out_with_them(&site).await;
}

#[tokio::test]
async fn only_ones_own_goes_out_only_here_and_only_once() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    let (room, other) = (pair(&site, &alice, &bob).await, group(&site, &[&alice, &bob]).await);
    let node = site.node().await;
    let (writer, reader) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    let stranger = node.sign_in(&carol).await;
    let id = upload(&site, room, &alice, true).await;
    let body = |room: RoomId, client_id: &str| json!({ "room_id": room, "text": "", "client_id": client_id, "attachment_id": id });
    assert_eq!(code(&reader, "room:send", body(room, "b")).await, "attachment.not-found");
    assert_eq!(code(&writer, "room:send", body(other, "a")).await, "attachment.not-found");
    assert_eq!(code(&stranger, "room:send", body(room, "c")).await, "room.not-found");
    let nothing = json!({ "room_id": room, "text": "", "client_id": "n" });
    assert_eq!(code(&writer, "room:send", nothing).await, "request.invalid");
    let unknown = json!({ "room_id": room, "client_id": "u", "attachment_id": kit::ids::uuid() });
    assert_eq!(code(&writer, "room:send", unknown).await, "attachment.not-found");

    // A name that another message has: that one is answered, and the upload can still go out.
    let said = ask(&writer, "room:send", json!({ "room_id": room, "text": "words", "client_id": "used" })).await;
    assert_eq!(ask(&writer, "room:send", body(room, "used")).await["message"]["id"], said["message"]["id"]);
    // Twice at once: one message, whoever wins.
    let both = [writer.ask("room:send", body(room, "race")), writer.ask("room:send", body(room, "race"))];
    let both = futures::future::join_all(both).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    assert!(both.iter().all(|answer| answer["ok"] == true), "{both:?}");
    assert_eq!(both[0]["message"]["id"], both[1]["message"]["id"]);
    assert_eq!(both[0]["message"]["attachment"]["id"], json!(id));

    // Claimed, and the node died before the message was stored: the next try stores it under the same id.
    let torn = upload(&site, room, &alice, true).await;
    let message = domain::MessageId::from_uuid(kit::ids::uuid());
    let claim = db::attachments::Claim { id: torn, room, user: alice.id, client_id: "torn", message };
    db::attachments::claim(&mut site.pool.acquire().await.unwrap(), claim).await.unwrap();
    let again = json!({ "room_id": room, "client_id": "torn", "attachment_id": torn });
    assert_eq!(ask(&writer, "room:send", again).await["message"]["id"], json!(message));

    // What was found to be bad does not go out.
    let bad = upload(&site, room, &alice, false).await;
    let mut conn = site.pool.acquire().await.unwrap();
    db::attachments::refuse(&mut conn, bad, "Eicar").await.unwrap().unwrap();
    let body = json!({ "room_id": room, "client_id": "bad", "attachment_id": bad });
    assert_eq!(code(&writer, "room:send", body).await, "attachment.infected");
}
