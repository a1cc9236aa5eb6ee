//! What is stored, kept in order: retention, deletion to the last object, strays, and rows the bucket does not bear out.

use std::time::Duration;

use domain::{StreamId, UserId, VodId};
use jobs::storage;
use objects::{NewObject, keys};
use testkit::s3::S3Server;

use super::Site;

/// A clock as short as tests need it: whatever is there is old.
const AT_ONCE: Duration = Duration::ZERO;

struct Shelf {
    site: Site,
    s3: S3Server,
    channel: UserId,
}

impl Shelf {
    async fn new(keep_days: u32) -> Self {
        let s3 = S3Server::start().await.unwrap();
        let storage = s3.config();
        let site = Site::start(|config| {
            config.storage = storage;
            config.recordings.keep_days = keep_days;
        })
        .await;
        let channel = site.channel("alice").await;
        Self { site, s3, channel }
    }

    /// A recording with two segments in each of two renditions, their inits, a picture and a sheet of pictures, made so many
    /// days ago.
    async fn recording(&self, days: i32, status: &str) -> VodId {
        let (stream, vod) = (StreamId::from_uuid(kit::ids::uuid()), VodId::from_uuid(kit::ids::uuid()));
        let ready = if status == "recording" { "NULL".to_owned() } else { format!("now() - interval '{days} days'") };
        let mut statements = format!(
            "INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at, ended_at)
             VALUES ('{stream}', '{}', 'Hello', 'ended', 'test', now(), now() - interval '{days} days');
             INSERT INTO vods (vod_id, stream_id, channel_id, title, status, object_prefix, created_at, ready_at)
             VALUES ('{vod}', '{stream}', '{}', 'Hello', '{status}', '{}', now() - interval '{days} days', {ready});",
            self.channel,
            self.channel,
            keys::vod_prefix(vod),
        );
        self.put(&keys::vod_thumbnail(vod)).await;
        for rendition in ["source", "audio"] {
            let init = keys::vod_init(vod, rendition, 0);
            self.put(&init).await;
            for seq in 0..2 {
                let key = keys::vod_segment(vod, rendition, seq);
                self.put(&key).await;
                statements += &format!(
                    "INSERT INTO vod_segments (vod_id, rendition, seq, init_key, object_key, byte_size, duration_us,
                                               program_at, sha256)
                     VALUES ('{vod}', '{rendition}', {seq}, '{init}', '{key}', {}, 2000000, now(), '\\x00');",
                    key.len(),
                );
            }
        }
        let sheet = keys::vod_sheet(vod, 0);
        self.put(&sheet).await;
        statements += &format!(
            "INSERT INTO vod_sheets (vod_id, seq, tile_width, tile_height, tile_step, seqs, offsets_ms, byte_size)
             VALUES ('{vod}', 0, 160, 90, 96, '{{0}}', '{{0}}', {});",
            sheet.len(),
        );
        self.site.execute(&statements).await;
        vod
    }

    /// An object whose bytes are its own name.
    async fn put(&self, key: &str) {
        let body = key.to_owned().into();
        let object = NewObject { key, body, content_type: "video/mp4", cache_control: "no-store" };
        self.site.deps.objects.put(object).await.unwrap();
    }

    fn objects_of(&self, vod: VodId) -> usize {
        self.s3.keys().iter().filter(|key| key.starts_with(&keys::vod_prefix(vod))).count()
    }

    async fn text(&self, query: &str) -> String {
        let rows = db::testing::rows(&self.site.deps.pool, query).await.unwrap();
        rows.first().map(|row| row["t"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }
}

fn segments(vod: VodId, what: &str) -> String {
    format!("SELECT count(*)::bigint AS n FROM vod_segments WHERE vod_id = '{vod}' AND {what}")
}

#[tokio::test]
async fn recordings_go_when_they_were_kept_long_enough_and_nothing_of_them_stays() {
    let shelf = Shelf::new(30).await;
    let (old, young) = (shelf.recording(31, "ready").await, shelf.recording(29, "ready").await);
    let running = shelf.recording(40, "recording").await;
    // Ten nodes at once delete it once.
    let rounds = futures::future::join_all((0..10).map(|_| storage::expire(&shelf.site.deps))).await;
    assert_eq!(rounds.into_iter().map(Result::unwrap).sum::<usize>(), 1);
    let (_tasks, stop) = shelf.site.run();
    let gone = "SELECT count(*)::bigint AS n FROM vods WHERE deleted_at IS NOT NULL";
    shelf.site.until(gone, 1, Duration::from_secs(5)).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while shelf.objects_of(old) > 0 {
        assert!(tokio::time::Instant::now() < until, "{:?}", shelf.s3.keys());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    assert_eq!((shelf.objects_of(young), shelf.objects_of(running)), (8, 8));

    // A node that was late: its upload came after the job.
    shelf.put(&keys::vod_segment(old, "source", 2)).await;
    shelf.site.execute("UPDATE vods SET deleted_at = now() - interval '1 hour' WHERE deleted_at IS NOT NULL").await;
    assert_eq!(storage::purge(&shelf.site.deps, AT_ONCE).await.unwrap(), 1);
    assert_eq!(shelf.objects_of(old), 0);
    assert_eq!(shelf.site.number(&segments(old, "true")).await, 0);
    let sheets = format!("SELECT count(*)::bigint AS n FROM vod_sheets WHERE vod_id = '{old}'");
    assert_eq!(shelf.site.number(&sheets).await, 0);
    assert_eq!(storage::purge(&shelf.site.deps, AT_ONCE).await.unwrap(), 0, "done is done");
}

#[tokio::test]
async fn a_channel_may_have_a_rule_of_its_own() {
    let shelf = Shelf::new(0).await;
    let vod = shelf.recording(8, "ready").await;
    assert_eq!(storage::expire(&shelf.site.deps).await.unwrap(), 0, "the site keeps for ever");
    let mut conn = shelf.site.deps.pool.acquire().await.unwrap();
    assert!(db::keeping::set_rules(&mut conn, "alice", Some(7), None).await.unwrap());
    assert_eq!(storage::expire(&shelf.site.deps).await.unwrap(), 1);
    let left = format!("SELECT count(*)::bigint AS n FROM vods WHERE vod_id = '{vod}' AND deleted_at IS NULL");
    assert_eq!(shelf.site.number(&left).await, 0);
    let told = "SELECT count(*)::bigint AS n FROM outbox WHERE kind = 'vod_deleted'";
    assert_eq!(shelf.site.number(told).await, 1);
    let written = "SELECT count(*)::bigint AS n FROM audit_log
                    WHERE action = 'vod.expired' AND actor_kind = 'worker' AND member = 'alice'";
    assert_eq!(shelf.site.number(written).await, 1);
}

#[tokio::test]
async fn segments_the_bucket_has_lost_are_marked_and_forgiven_when_they_are_back() {
    let shelf = Shelf::new(0).await;
    let vod = shelf.recording(1, "ready").await;
    let deps = &shelf.site.deps;
    assert_eq!(storage::check(deps, AT_ONCE, 10).await.unwrap().lost, 0);
    let (gone, cut) = (keys::vod_segment(vod, "source", 0), keys::vod_segment(vod, "audio", 1));
    deps.objects.delete(&gone).await.unwrap();
    let short = NewObject { key: &cut, body: "cut".into(), content_type: "video/mp4", cache_control: "no-store" };
    deps.objects.put(short).await.unwrap();
    let checked = storage::check(deps, AT_ONCE, 10).await.unwrap();
    assert_eq!((checked.recordings, checked.lost, checked.found), (1, 2, 0));
    assert_eq!(shelf.site.number(&segments(vod, "is_missing")).await, 2);
    let mut conn = deps.pool.acquire().await.unwrap();
    assert_eq!(db::recordings::segments(&mut conn, vod).await.unwrap().len(), 2, "players are not sent there");
    assert_eq!(storage::findings(&deps.pool, 10).await.unwrap()[0].missing_segments, 2);

    for key in [&gone, &cut] {
        shelf.put(key).await;
    }
    assert_eq!(storage::check(deps, AT_ONCE, 10).await.unwrap().found, 2);
    assert_eq!(shelf.site.number(&segments(vod, "is_missing")).await, 0);

    // An empty bucket, as one that was configured by mistake: nothing is deleted, the owner reads why, and it heals.
    deps.objects.delete_prefix(&keys::vod_prefix(vod)).await.unwrap();
    assert_eq!(storage::check(deps, AT_ONCE, 10).await.unwrap().lost, 4);
    let state = format!("SELECT status || ': ' || coalesce(fail_reason, '') AS t FROM vods WHERE vod_id = '{vod}'");
    assert_eq!(shelf.text(&state).await, "failed: its media is gone from the storage");
    for rendition in ["source", "audio"] {
        shelf.put(&keys::vod_init(vod, rendition, 0)).await;
        shelf.put(&keys::vod_segment(vod, rendition, 0)).await;
    }
    assert_eq!(storage::check(deps, AT_ONCE, 10).await.unwrap().found, 2);
    assert_eq!(shelf.text(&state).await, "ready: ");
}

#[tokio::test]
async fn objects_no_row_knows_go_when_they_are_old_and_what_runs_is_left_alone() {
    let shelf = Shelf::new(0).await;
    let deps = &shelf.site.deps;
    let (ready, running) = (shelf.recording(1, "ready").await, shelf.recording(1, "recording").await);
    let nobodys = VodId::from_uuid(kit::ids::uuid());
    for vod in [ready, running, nobodys] {
        shelf.put(&keys::vod_segment(vod, "source", 99)).await;
        shelf.put(&format!("vod/{vod}/notes.txt")).await;
    }
    shelf.put("avatar/somebody.webp").await;
    shelf.put("vod/not-an-id/file").await;

    assert_eq!(storage::sweep_strays(deps, storage::STRAY_AGE).await.unwrap(), 0, "too young");
    assert_eq!(storage::check_one(deps, ready, storage::STRAY_AGE).await.unwrap().strays, 0, "too young");
    assert_eq!(storage::sweep_strays(deps, AT_ONCE).await.unwrap(), 2);
    assert_eq!(shelf.objects_of(nobodys), 0);
    assert_eq!(storage::check_one(deps, ready, AT_ONCE).await.unwrap().strays, 1);
    assert_eq!(shelf.objects_of(ready), 9, "only media of the recorder's goes");
    assert_eq!(
        storage::check(deps, AT_ONCE, 10).await.unwrap().recordings,
        1,
        "what is being recorded is not looked at"
    );
    assert_eq!(shelf.objects_of(running), 10);
    let keys = shelf.s3.keys();
    assert!(keys.contains(&"avatar/somebody.webp".to_owned()) && keys.contains(&"vod/not-an-id/file".to_owned()));
}

#[tokio::test]
async fn of_many_nodes_one_takes_the_turn() {
    let shelf = Shelf::new(0).await;
    let take = || async {
        let mut conn = shelf.site.deps.pool.acquire().await.unwrap();
        db::keeping::take_turn(&mut conn, "strays", 60.0).await.unwrap()
    };
    let taken = futures::future::join_all((0..10).map(|_| take())).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
}

#[tokio::test]
async fn repair_closes_what_nobody_closed_once() {
    let shelf = Shelf::new(0).await;
    let deps = &shelf.site.deps;
    let vod = shelf.recording(1, "recording").await;
    let empty = shelf.recording(1, "recording").await;
    shelf.site.execute(&format!("DELETE FROM vod_segments WHERE vod_id = '{empty}'")).await;
    assert_eq!(storage::findings(&deps.pool, 10).await.unwrap().len(), 2);
    let repairs = futures::future::join_all((0..4).map(|_| storage::repair(deps))).await;
    assert!(repairs.iter().all(Result::is_ok), "{repairs:?}");
    let status = |vod: VodId| format!("SELECT status AS t FROM vods WHERE vod_id = '{vod}'");
    assert_eq!(shelf.text(&status(vod)).await, "ready");
    assert_eq!(shelf.text(&status(empty)).await, "failed", "its node may come back with it");
    let told = "SELECT count(*)::bigint AS n FROM outbox WHERE kind = 'vod_ready'";
    assert_eq!(shelf.site.number(told).await, 1);
}
