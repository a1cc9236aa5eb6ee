//! Recordings that are made from files, as their owners and everybody else see them.

use db::imports::{self, New};
use domain::import::{Container, ImportFail};
use domain::{Visibility, VodId};
use serde_json::Value;

use crate::harness::{Member, Site, names};

async fn queue(site: &Site, owner: &Member) -> VodId {
    let vod = VodId::from_uuid(kit::ids::uuid());
    let mut tx = db::begin(&site.pool).await.expect("a transaction");
    let new = New {
        vod,
        channel: owner.id.parse().expect("an id"),
        title: "  ",
        visibility: Visibility::Public,
        source_key: "files/some",
        source_bytes: 1_000,
        container: Container::Mp4,
    };
    imports::queue(&mut tx, &new).await.expect("queued");
    db::commit(tx).await.expect("committed");
    vod
}

async fn look(site: &Site, member: &Member, vod: VodId) -> Value {
    site.get(&format!("/api/v1/vods/{vod}")).bearer(&member.token).send().await.expect(200).json
}

async fn act(site: &Site, member: &Member, vod: VodId, act: &str) -> crate::harness::Answer {
    site.post(&format!("/api/v1/vods/{vod}/{act}")).bearer(&member.token).send().await
}

#[tokio::test]
async fn what_is_being_made_is_its_owners_alone_and_says_how_far_it_is() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let vod = queue(&site, &alice).await;
    let path = format!("/api/v1/vods/{vod}");
    let seen = look(&site, &alice, vod).await;
    assert_eq!((seen["status"].as_str(), seen["progress"].as_u64()), (Some("processing"), Some(0)), "{seen}");
    assert!(seen["stream_id"].is_null() && seen["title"] == "Video", "{seen}");
    for call in [site.get(&path), site.get(&path).bearer(&bob.token), site.get(&format!("/vod/{vod}/index.m3u8"))] {
        call.send().await.refused(404, "vod.not-found");
    }
    site.post(&format!("{path}/views")).send().await.refused(404, "vod.not-found");
    let list = |member: &Member| site.get("/api/v1/vods?channel=alice").bearer(&member.token);
    assert_eq!(names(&list(&alice).send().await.expect(200), "id"), [vod.to_string()]);
    assert_eq!(names(&list(&bob).send().await.expect(200), "id"), [""; 0]);

    let mut conn = site.pool.acquire().await.expect("a connection");
    let lease = imports::take(&mut conn, "n", 60.0, false).await.expect("asked").expect("it is due");
    assert!(imports::take(&mut conn, "m", 60.0, false).await.expect("asked").is_none(), "one node has it");
    imports::renew(&mut conn, &lease, 60.0, 427).await.expect("renewed");
    assert_eq!(look(&site, &alice, vod).await["progress"], 42);
    act(&site, &alice, vod, "retry-import").await.refused(409, "import.nothing-to-retry");
}

#[tokio::test]
async fn its_owner_stops_it_and_tries_again_and_nobody_else_does() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let staff = site.register_as("carla", "moderator").await;
    let vod = queue(&site, &alice).await;
    act(&site, &bob, vod, "cancel-import").await.refused(404, "vod.not-found");
    act(&site, &staff, vod, "cancel-import").await.refused(403, "vod.not-yours");
    let mut conn = site.pool.acquire().await.expect("a connection");
    let lease = imports::take(&mut conn, "n", 60.0, false).await.expect("asked").expect("it is due");
    let stopped = act(&site, &alice, vod, "cancel-import").await.expect(200).json;
    assert_eq!(
        (stopped["status"].as_str(), stopped["fail_reason"].as_str()),
        (Some("failed"), Some("import.cancelled"))
    );
    assert_eq!((stopped["may_retry"].as_bool(), stopped.get("progress")), (Some(false), None), "{stopped}");
    act(&site, &alice, vod, "cancel-import").await.refused(409, "import.nothing-to-cancel");
    act(&site, &alice, vod, "retry-import").await.refused(409, "import.nothing-to-retry");

    assert_eq!(imports::renew(&mut conn, &lease, 60.0, 0).await.expect("asked"), imports::Held::Cancelled);
    assert!(imports::cleaned(&mut conn, &lease).await.expect("asked"));
    assert_eq!(look(&site, &alice, vod).await["may_retry"], true);
    act(&site, &bob, vod, "retry-import").await.refused(404, "vod.not-found");
    act(&site, &staff, vod, "retry-import").await.refused(403, "vod.not-yours");
    let again = act(&site, &alice, vod, "retry-import").await.expect(200).json;
    assert_eq!((again["status"].as_str(), again["progress"].as_u64()), (Some("processing"), Some(0)), "{again}");

    // The node that had it before has no say any more.
    let next = imports::take(&mut conn, "m", 60.0, false).await.expect("asked").expect("it is due");
    assert!(!imports::fail(&mut conn, &lease, ImportFail::Crashed).await.expect("asked"));
    assert!(imports::fail(&mut conn, &next, ImportFail::Codec).await.expect("asked"));
    assert_eq!(look(&site, &alice, vod).await["fail_reason"], "import.codec");
    let told = site.rows("SELECT payload FROM outbox WHERE kind = 'vod_failed'").await;
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn one_that_was_deleted_or_is_ready_cannot_be_stopped_or_tried_again() {
    let site = Site::start().await;
    let alice = site.register("alice").await;
    let vod = queue(&site, &alice).await;
    site.call("DELETE", &format!("/api/v1/vods/{vod}")).bearer(&alice.token).send().await.expect(204);
    act(&site, &alice, vod, "cancel-import").await.refused(404, "vod.not-found");
    let mut conn = site.pool.acquire().await.expect("a connection");
    let lease = imports::take(&mut conn, "n", 60.0, false).await.expect("asked").expect("its node hears of it");
    assert!(lease.is_deleted);
    assert!(imports::bury(&mut conn, &lease).await.expect("asked"));
    assert!(imports::take(&mut conn, "n", 0.0, false).await.expect("asked").is_none(), "that was all");

    let (_, streamed) = site.stream(&alice, "Show", "ended", "ready").await;
    let streamed = streamed.parse().expect("an id");
    for turn in ["cancel-import", "retry-import"] {
        act(&site, &alice, streamed, turn).await.expect(409);
    }
    let seen = look(&site, &alice, streamed).await;
    assert!(seen.get("progress").is_none() && seen.get("may_retry").is_none(), "{seen}");
}
