//! Recordings: lists, who may change them, views counted once.

use serde_json::{Value, json};

use crate::harness::{Setup, Site, names};

#[tokio::test(flavor = "multi_thread")]
async fn recordings_come_recent_or_most_viewed_first_in_pages() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    for n in 0..4 {
        let owner = if n % 2 == 0 { &alice } else { &bob };
        let (_, vod) = site.stream(owner, &format!("Show {n}"), "ended", "ready").await;
        site.sql(&format!("UPDATE vods SET views = {} WHERE vod_id = '{vod}'", [5, 9, 9, 0][n])).await;
    }
    let walk = |query: &'static str| {
        let site = &site;
        async move {
            let (mut titles, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = site.get(&format!("/api/v1/vods?{query}&limit=2&cursor={cursor}")).send().await.expect(200);
                titles.extend(names(&page, "title"));
                match page.json["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => return titles,
                }
            }
        }
    };
    assert_eq!(walk("sort=recent").await, ["Show 3", "Show 2", "Show 1", "Show 0"]);
    assert_eq!(walk("sort=views").await, ["Show 2", "Show 1", "Show 0", "Show 3"]);
    assert_eq!(walk("channel=ALICE").await, ["Show 2", "Show 0"]);
    assert_eq!(walk("q=show+3").await, ["Show 3"]);
    let page = site.get("/api/v1/vods?sort=views&limit=1").send().await.expect(200);
    let cursor = page.json["next_cursor"].as_str().expect("more");
    let crossed = site.get(&format!("/api/v1/vods?sort=recent&cursor={cursor}")).send().await;
    crossed.refused(422, "request.invalid");
    site.get("/api/v1/vods?sort=length").send().await.refused(422, "request.invalid");
    let vod = &page.json["items"][0];
    assert_eq!(
        (vod["duration_s"].as_f64(), vod["views"].as_i64(), vod["status"].as_str()),
        (Some(61.5), Some(9), Some("ready"))
    );
    assert_eq!(vod["playback"]["hls"], format!("/vod/{}/index.m3u8", vod["id"].as_str().expect("an id")));
    assert_eq!((&vod["thumbnail_url"], &vod["storyboard_url"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_staff_change_recordings_and_nobody_else_does() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let stranger = site.register("stranger").await;
    let staff = [site.register_as("modd", "moderator").await, site.register_as("boss", "admin").await];
    let (_, vod) = site.stream(&owner, "Show", "ended", "ready").await;
    let path = format!("/api/v1/vods/{vod}");
    let patch = |token: &str, body: Value| site.call("PATCH", &path).bearer(token).json(body).send();

    patch(&stranger.token, json!({"title": "Mine"})).await.refused(403, "vod.not-yours");
    site.call("DELETE", &path).bearer(&stranger.token).send().await.refused(403, "vod.not-yours");
    site.call("PATCH", &path).json(json!({"title": "x"})).send().await.refused(401, "auth.required");
    site.call("DELETE", &path).send().await.refused(401, "auth.required");
    for extra in [json!({"views": 1_000_000}), json!({"status": "ready"}), json!({"channel_id": stranger.id})] {
        patch(&owner.token, extra).await.refused(422, "request.malformed");
    }
    let changed =
        patch(&owner.token, json!({"title": "Renamed", "tags": ["X"], "category_slug": "art"})).await.expect(200);
    assert_eq!(changed.json["category"], json!({"slug": "art", "name": "Art"}));
    assert_eq!(changed.json["tags"], json!(["x"]));
    assert_eq!(patch(&staff[0].token, json!({"description": "d"})).await.expect(200).json["title"], "Renamed");
    let unknown = format!("/api/v1/vods/{}", kit::ids::uuid());
    site.call("DELETE", &unknown).bearer(&staff[1].token).send().await.refused(404, "vod.not-found");

    site.call("DELETE", &path).bearer(&staff[1].token).send().await.expect(204);
    site.call("DELETE", &path).bearer(&owner.token).send().await.refused(404, "vod.not-found");
    site.get(&path).bearer(&owner.token).send().await.refused(404, "vod.not-found");
    patch(&owner.token, json!({"title": "Back"})).await.refused(404, "vod.not-found");
    assert_eq!(site.get("/api/v1/vods").send().await.expect(200).json["items"], json!([]));
    let outbox = site.rows("SELECT payload FROM outbox WHERE kind = 'vod_deleted'").await;
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox[0]["payload"]["object_prefix"], format!("vod/{vod}/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_recording_is_there_for_its_owner_and_staff_only() {
    let site = Site::start().await;
    let owner = site.register("owner").await;
    let stranger = site.register("stranger").await;
    let moderator = site.register_as("modd", "moderator").await;
    let (_, vod) = site.stream(&owner, "Broken", "ended", "failed").await;
    let path = format!("/api/v1/vods/{vod}");
    site.get(&path).send().await.refused(404, "vod.not-found");
    site.get(&path).bearer(&stranger.token).send().await.refused(404, "vod.not-found");
    // An object one cannot see answers a change like one that is not there.
    let patch = site.call("PATCH", &path).bearer(&stranger.token).json(json!({"title": "x"}));
    patch.send().await.refused(404, "vod.not-found");
    site.call("DELETE", &path).bearer(&stranger.token).send().await.refused(404, "vod.not-found");
    site.post(&format!("{path}/views")).send().await.refused(404, "vod.not-found");
    for member in [&owner, &moderator] {
        assert_eq!(site.get(&path).bearer(&member.token).send().await.expect(200).json["status"], "failed");
    }
    let list = site.get("/api/v1/vods?channel=owner").bearer(&owner.token).send().await.expect(200);
    assert_eq!(names(&list, "title"), ["Broken"]);
    let list = site.get("/api/v1/vods?channel=owner").bearer(&stranger.token).send().await.expect(200);
    assert_eq!(list.json["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_counts_once_and_a_batch_is_applied_once() {
    let site = Site::start().await;
    let (alice, bob) = (site.register("alice").await, site.register("bob").await);
    let (_, vod) = site.stream(&alice, "Show", "ended", "ready").await;
    let path = format!("/api/v1/vods/{vod}/views");
    let view = || site.post(&path);
    let counted = |answer: crate::harness::Answer| (answer.json["counted"].as_bool(), answer.json["views"].as_i64());
    assert_eq!(counted(view().bearer(&alice.token).send().await.expect(200)), (Some(true), Some(1)));
    assert_eq!(
        counted(view().bearer(&alice.token).from("198.51.100.9").send().await.expect(200)),
        (Some(false), Some(1))
    );
    assert_eq!(counted(view().bearer(&bob.token).send().await.expect(200)), (Some(true), Some(2)));
    assert_eq!(counted(view().header("user-agent", "A").send().await.expect(200)), (Some(true), Some(3)));
    assert_eq!(counted(view().header("user-agent", "A").send().await.expect(200)), (Some(false), Some(3)));
    assert_eq!(
        counted(view().header("user-agent", "A").from("198.51.100.9").send().await.expect(200)),
        (Some(true), Some(4))
    );
    site.post(&format!("/api/v1/vods/{}/views", kit::ids::uuid())).send().await.refused(404, "vod.not-found");

    let parallel = futures::future::join_all((0..20).map(|_| view().from("198.51.100.20").send())).await;
    assert_eq!(parallel.iter().filter(|answer| answer.json["counted"] == true).count(), 1);

    // The flusher dies before and after its commit: the batch comes back under its id and is applied once.
    let first = live::views::take_batches(&site.live).await.expect("redis").remove(0);
    assert_eq!(first.counts.iter().map(|(_, views)| views).sum::<i64>(), 5);
    view().from("198.51.100.30").send().await.expect(200);
    let again = live::views::take_batches(&site.live).await.expect("redis").remove(0);
    assert_eq!((again.id, &again.counts), (first.id, &first.counts), "later views wait for the next batch");
    for _ in 0..2 {
        let mut tx = db::begin(&site.pool).await.expect("a transaction");
        db::notify::apply_view_batch(&mut tx, again.id, &again.counts).await.expect("applied");
        db::commit(tx).await.expect("committed");
    }
    live::views::drop_batch(&site.live, kit::ids::uuid()).await.expect("another id drops nothing");
    assert_eq!(live::views::take_batches(&site.live).await.expect("redis")[0].id, first.id);
    live::views::drop_batch(&site.live, first.id).await.expect("dropped");
    let second = live::views::take_batches(&site.live).await.expect("redis").remove(0);
    assert_ne!(second.id, first.id);
    assert_eq!(second.counts.iter().map(|(_, views)| views).sum::<i64>(), 1);
    assert_eq!(site.get(&format!("/api/v1/vods/{vod}")).send().await.expect(200).json["views"], 5);
    assert_eq!(counted(view().bearer(&alice.token).send().await.expect(200)), (Some(false), Some(6)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_no_view_is_counted() {
    let mut setup = Setup::new();
    setup.redis_url = Some("redis://127.0.0.1:1".to_owned());
    let site = setup.start().await;
    let alice = site.register("alice").await;
    let (_, vod) = site.stream(&alice, "Show", "ended", "ready").await;
    for _ in 0..3 {
        let answer = site.post(&format!("/api/v1/vods/{vod}/views")).send().await.expect(200);
        assert_eq!(answer.json, json!({"counted": false, "views": 0}));
    }
}
