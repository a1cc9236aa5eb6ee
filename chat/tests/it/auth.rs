//! Who a socket speaks for, and when it stops.

use std::time::Duration;

use domain::user::Role;
use kit::tokens::AccessTokens;
use live::revocations::Revocations;
use serde_json::json;
use testkit::socket::{ConnectFailure, ConnectOptions, SocketClient};

use crate::site::{Account, Node, Site, TTL_S, join, say};

async fn refused(node: &Node, auth: serde_json::Value) -> String {
    match SocketClient::connect(&node.url, ConnectOptions { auth, origin: None }).await {
        Err(ConnectFailure::Refused(code)) => code,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("connected"),
    }
}

#[tokio::test]
async fn only_a_good_token_of_a_living_sign_in_connects() {
    let site = Site::start().await;
    let (alice, bob, carol) = (site.member("alice").await, site.member("bob").await, site.member("carol").await);
    site.execute(&format!("UPDATE sessions SET revoked_at = now() WHERE session_id = '{}'", bob.session)).await;
    site.execute(&format!("UPDATE users SET is_barred = true WHERE user_id = '{}'", carol.id)).await;
    let forged =
        AccessTokens::new(&kit::Secret::new("another secret"), TTL_S).issue(alice.id, alice.session, Role::Admin);
    let node = site.node().await;
    for (auth, code) in [
        (json!({ "token": "garbage" }), "auth.invalid-token"),
        (json!({ "token": forged }), "auth.invalid-token"),
        (json!({ "token": bob.token }), "auth.invalid-token"),
        (json!({ "token": carol.token }), "auth.invalid-token"),
        (json!({ "token": 5 }), "request.invalid"),
        (json!([alice.token]), "request.invalid"),
        (json!({ "viewer_id": "no spaces" }), "request.invalid"),
    ] {
        assert_eq!(refused(&node, auth.clone()).await, code, "{auth}");
    }
    for auth in
        [json!({}), json!({ "token": null }), json!({ "token": "" }), json!({ "token": alice.token, "more": 1 })]
    {
        node.connect(auth).await;
    }
}

#[tokio::test]
async fn signing_out_closes_the_socket_at_once() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let (client, guest) = (node.sign_in(&alice).await, node.anonymous().await);
    join(&client, &alice).await;
    join(&guest, &alice).await;
    let revocations = Revocations::new(site.live(), TTL_S);
    // Told until heard: the node may not have subscribed yet.
    let told = async {
        loop {
            revocations.revoke_session(alice.session).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        event = client.next("auth:expired") => assert_eq!(event.unwrap(), json!({ "code": "auth.revoked" })),
        () = told => {}
    }
    client.closed().await.unwrap();
    assert!(guest.drain("auth:revoked").await.is_empty(), "that is between nodes");
    assert!(!guest.is_closed());
}

#[tokio::test]
async fn a_sign_out_nobody_told_of_is_found_within_two_seconds() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let (client, other) = (node.sign_in(&alice).await, node.sign_in(&bob).await);
    site.execute(&format!("UPDATE sessions SET revoked_at = now() WHERE session_id = '{}'", alice.session)).await;
    tokio::time::timeout(Duration::from_secs(2), client.next("auth:expired")).await.expect("in time").unwrap();
    client.closed().await.unwrap();
    assert_eq!(say(&other, &alice, "still here").await["ok"], true);
}

#[tokio::test]
async fn a_revoked_token_writes_nothing_even_before_the_sweep() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let client = node.sign_in(&alice).await;
    assert_eq!(say(&client, &alice, "one").await["ok"], true);
    let jti = site.tokens.verify(&alice.token).unwrap().jti;
    Revocations::new(site.live(), TTL_S).revoke_token(jti).await.unwrap();
    let answer = say(&client, &alice, "two").await;
    assert_eq!(answer["code"], "chat.unauthenticated");
    client.closed().await.unwrap();
}

fn short(site: &Site, account: &Account, ttl_s: u64) -> String {
    AccessTokens::new(&site.config.auth.secret, ttl_s).issue(account.id, account.session, Role::User)
}

#[tokio::test]
async fn an_expired_token_makes_the_socket_anonymous_until_it_is_renewed() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let client = node.connect(json!({ "token": short(&site, &alice, 1) })).await;
    assert_eq!(client.next("auth:expired").await.unwrap(), json!({ "code": "auth.expired" }));
    assert_eq!(say(&client, &alice, "who am I").await["code"], "chat.unauthenticated");
    let refused = client.ask("auth:renew", json!({ "token": "garbage" })).await.unwrap();
    assert_eq!(refused["code"], "auth.invalid-token");
    let renewed = client.ask("auth:renew", json!({ "token": alice.token })).await.unwrap();
    assert_eq!(renewed["ok"], true, "{renewed}");
    assert_eq!(say(&client, &alice, "I am back").await["ok"], true);
    assert!(!client.is_closed());
}

#[tokio::test]
async fn an_expired_token_that_is_not_renewed_closes_the_socket() {
    let site = Site::start().await;
    let alice = site.member("alice").await;
    let node = site.node().await;
    let client = node.connect(json!({ "token": short(&site, &alice, 1) })).await;
    client.next("auth:expired").await.unwrap();
    client.closed().await.unwrap();
}

#[tokio::test]
async fn a_suspended_member_is_cut_off_within_two_seconds() {
    let site = Site::start().await;
    let (alice, bob) = (site.member("alice").await, site.member("bob").await);
    let node = site.node().await;
    let client = node.sign_in(&bob).await;
    join(&client, &alice).await;
    site.execute(&format!("UPDATE users SET is_barred = true WHERE user_id = '{}'", bob.id)).await;
    tokio::time::timeout(Duration::from_secs(2), client.next("auth:expired")).await.expect("in time").unwrap();
    client.closed().await.unwrap();
}
