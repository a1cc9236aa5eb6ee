use std::time::Duration;

use domain::{ClipId, VodId};
use live::views::{Views, take_batches};

use crate::Site;

async fn recording(site: &Site) -> VodId {
    let channel = site.channel("alice").await;
    let stream = site.live_stream(channel).await;
    let vod = VodId::from_uuid(kit::ids::uuid());
    site.execute(&format!(
        "INSERT INTO vods (vod_id, stream_id, channel_id, title, status, object_prefix, created_at)
         VALUES ('{vod}', '{stream}', '{channel}', 'T', 'ready', 'vod/{vod}/', now())"
    ))
    .await;
    vod
}

/// A clip of the recording.
async fn clip(site: &Site, vod: VodId) -> ClipId {
    let clip = ClipId::from_uuid(kit::ids::uuid());
    site.execute(&format!(
        "INSERT INTO clips (clip_id, vod_id, channel_id, creator_id, title, start_ms, end_ms)
         SELECT '{clip}', vod_id, channel_id, channel_id, 'T', 0, 6000 FROM vods WHERE vod_id = '{vod}'"
    ))
    .await;
    clip
}

const VIEWS: &str = "SELECT views::bigint AS n FROM vods";

#[tokio::test]
async fn counted_views_reach_the_database_once() {
    let site = Site::start(|_| {}).await;
    let vod = recording(&site).await;
    let views = Views::new(site.deps.live.clone());
    let mut counted = Vec::new();
    for viewer in ["a", "b", "a"] {
        counted.push(views.count(vod, viewer).await.unwrap().is_counted);
    }
    assert_eq!(counted, [true, true, false]);
    let (_running, _stop) = site.run();
    site.until(VIEWS, 2, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn views_of_clips_reach_their_own_rows() {
    let site = Site::start(|_| {}).await;
    let vod = recording(&site).await;
    let clip = clip(&site, vod).await;
    let views = Views::new(site.deps.live.clone());
    for viewer in ["a", "b", "b"] {
        views.count(clip, viewer).await.unwrap();
    }
    views.count(vod, "a").await.unwrap();
    let (_running, _stop) = site.run();
    site.until("SELECT views::bigint AS n FROM clips", 2, Duration::from_secs(10)).await;
    assert_eq!(site.number(VIEWS).await, 1);
}

/// A process that dies between writing to Postgres and forgetting the batch must not count twice.
#[tokio::test]
async fn a_batch_left_behind_by_a_killed_process_is_applied_exactly_once() {
    let site = Site::start(|_| {}).await;
    let vod = recording(&site).await;
    let views = Views::new(site.deps.live.clone());
    views.count(vod, "a").await.unwrap();
    let taken = take_batches(&site.deps.live).await.unwrap();
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    assert!(db::notify::apply_view_batch(&mut tx, taken[0].id, &taken[0].counts).await.unwrap());
    db::commit(tx).await.unwrap();
    // Killed here: applied, not dropped. Meanwhile another view is counted.
    assert_eq!(views.count(vod, "b").await.unwrap().waiting, 2);

    let (_running, _stop) = site.run();
    site.until(VIEWS, 2, Duration::from_secs(15)).await;
    assert_eq!(site.number("SELECT count(*)::bigint AS n FROM view_batches").await, 2);
}

/// One that dies before writing must not lose the batch.
#[tokio::test]
async fn a_batch_taken_but_not_written_is_found_again() {
    let site = Site::start(|_| {}).await;
    let vod = recording(&site).await;
    Views::new(site.deps.live.clone()).count(vod, "a").await.unwrap();
    assert_eq!(take_batches(&site.deps.live).await.unwrap().len(), 1);
    let (_running, _stop) = site.run();
    site.until(VIEWS, 1, Duration::from_secs(10)).await;
}
