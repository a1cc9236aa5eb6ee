//! What becomes of a member's file that is here: with clamd itself, with none, and with a worker that dies at every step.

use std::process::Stdio;
use std::time::Duration;

use db::files::uploads::{Begun, New};
use domain::event::Event;
use domain::file::DONE_WITHIN;
use domain::{BlobId, FileId, UserId, VersionId, Visibility};
use kit::failpoint::VARIABLE;
use kit::{Config, Secret};
use objects::NewObject;
use objects::keys::{self, BlobPart};
use serde_json::Value;
use testkit::clamd::{Clamd, eicar};
use testkit::s3::S3Server;
use tokio::process::Command;

use crate::Site;

const WITHIN: Duration = Duration::from_secs(20);
/// A dead worker is found out after three heartbeats.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(40);

struct House {
    site: Site,
    s3: S3Server,
    alice: UserId,
}

/// A version that was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    file: FileId,
    version: VersionId,
    blob: BlobId,
}

impl House {
    async fn start(clamd: &str, change: impl FnOnce(&mut Config)) -> Self {
        let s3 = S3Server::start().await.unwrap();
        let site = Site::start(|config| {
            config.storage = s3.config();
            config.scan.clamd = clamd.to_owned();
            config.scan.stream_mib_max = 1;
            change(config);
        })
        .await;
        let alice = site.channel("alice").await;
        Self { site, s3, alice }
    }

    /// A file of somebody's that is here, as the API leaves it.
    async fn send(&self, owner: UserId, name: &str, mime: &str, body: &[u8]) -> Sent {
        let version = VersionId::from_uuid(kit::ids::uuid());
        let blob = BlobId::from_uuid(kit::ids::uuid());
        let new = New {
            version,
            file: FileId::from_uuid(kit::ids::uuid()),
            blob,
            lock: "lock",
            owner,
            folder: "/",
            name,
            mime,
            bytes: body.len() as i64,
            visibility: Visibility::Private,
            part_bytes: None,
        };
        let mut tx = db::begin(&self.site.deps.pool).await.unwrap();
        let begun = db::files::uploads::begin(&mut tx, &new, [0; 3]).await.unwrap();
        db::commit(tx).await.unwrap();
        let Begun::Done(file) = begun else { panic!("{begun:?}") };
        let key = keys::blob(blob, "lock", BlobPart::Upload);
        let object =
            NewObject { key: &key, body: body.to_vec().into(), content_type: "x/y", cache_control: "no-store" };
        self.site.deps.objects.put(object).await.unwrap();
        let mut tx = db::begin(&self.site.deps.pool).await.unwrap();
        let within_s = DONE_WITHIN.as_secs_f64();
        assert!(db::files::uploads::arrived(&mut tx, owner, version, within_s).await.unwrap());
        db::outbox::push(&mut tx, &Event::FileArrived { version_id: version }).await.unwrap();
        db::commit(tx).await.unwrap();
        Sent { file, version, blob }
    }

    async fn rows(&self, query: &str) -> Vec<Value> {
        db::testing::rows(&self.site.deps.pool, query).await.unwrap()
    }

    async fn state(&self, sent: Sent) -> (String, Option<String>) {
        let query = format!("SELECT state, fail_code FROM file_versions WHERE version_id = '{}'", sent.version);
        let rows = self.rows(&query).await;
        let word = |name: &str| rows.first().and_then(|row| row[name].as_str()).map(str::to_owned);
        (word("state").unwrap_or("gone".to_owned()), word("fail_code"))
    }

    async fn until(&self, sent: Sent, wanted: &str, within: Duration) {
        let reached = tokio::time::timeout(within, async {
            while self.state(sent).await.0 != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(reached.await.is_ok(), "{:?} and not {wanted}", self.state(sent).await);
    }

    fn objects(&self, blob: BlobId) -> Vec<String> {
        let prefix = keys::blob_prefix(blob);
        let mut names: Vec<String> = self
            .s3
            .keys()
            .iter()
            .filter(|key| key.starts_with(&prefix))
            .filter_map(|key| key.rsplit('/').next().map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    /// Until what is owed to blobs is done.
    async fn settled(&self) {
        let owed = "SELECT count(*)::bigint AS n FROM blobs WHERE due_at IS NOT NULL";
        self.site.until(owed, 0, WITHIN).await;
    }

    async fn notices(&self) -> Vec<(String, String)> {
        let rows = self.rows("SELECT type, detail FROM notifications ORDER BY type, detail").await;
        let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        rows.iter().map(|row| (word(row, "type"), word(row, "detail"))).collect()
    }
}

fn jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = image::RgbImage::from_fn(900, 600, |x, y| image::Rgb([x as u8, y as u8, 90]));
    picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut bytes)).unwrap();
    bytes
}

#[tokio::test]
async fn what_is_clean_is_served_and_what_is_not_is_gone_for_good() {
    let clamd = Clamd::start();
    let house = House::start(&clamd.address(), |_| {}).await;
    let text = house.send(house.alice, "notes.txt", "text/plain", b"nothing to see").await;
    let photo = house.send(house.alice, "photo.jpg", "image/jpeg", &jpeg()).await;
    let bad = house.send(house.alice, "bad.bin", "application/octet-stream", &eicar()).await;
    let fake = house.send(house.alice, "film.mp4", "video/mp4", b"#EXTM3U\nfile:///etc/passwd").await;
    let (_running, _stop) = house.site.run();
    house.until(text, "completed", WITHIN).await;
    house.until(photo, "completed", WITHIN).await;
    house.until(bad, "virus_failed", WITHIN).await;
    house.until(fake, "failed", WITHIN).await;
    assert_eq!(house.state(bad).await.1.as_deref(), Some("file.infected"));
    assert_eq!(house.state(fake).await.1.as_deref(), Some("file.not-what-it-says"));
    house.settled().await;
    assert_eq!(house.objects(text.blob), ["upload"]);
    assert_eq!(house.objects(photo.blob), ["picture", "thumbnail"], "what was sent of a picture is gone");
    assert_eq!((house.objects(bad.blob).len(), house.objects(fake.blob).len()), (0, 0));
    let blobs = house.rows("SELECT kind, mime, width, height, bytes, stored_bytes FROM blobs ORDER BY kind").await;
    assert_eq!((&blobs[0]["kind"], &blobs[0]["mime"]), (&"image".into(), &"image/jpeg".into()));
    assert_eq!((&blobs[0]["width"], &blobs[0]["height"]), (&900.into(), &600.into()));
    assert!(blobs[0]["stored_bytes"].as_i64() > blobs[0]["bytes"].as_i64(), "the thumbnail counts");
    assert_eq!((&blobs[1]["kind"], &blobs[1]["stored_bytes"]), (&"text".into(), &14.into()));
    assert_eq!(blobs.len(), 2);

    // The owner hears of each, once; and it is written down.
    house.site.until("SELECT count(*)::bigint AS n FROM notifications", 4, WITHIN).await;
    let told = [
        ("file_failed", "bad.bin"),
        ("file_failed", "film.mp4"),
        ("file_ready", "notes.txt"),
        ("file_ready", "photo.jpg"),
    ];
    assert_eq!(house.notices().await, told.map(|(kind, name)| (kind.to_owned(), name.to_owned())));
    let entries = house.rows("SELECT action, actor, entity FROM audit_log ORDER BY action, entity").await;
    let entries: Vec<_> =
        entries.iter().map(|row| (row["action"].as_str().unwrap(), row["entity"].as_str().unwrap())).collect();
    assert_eq!(
        entries,
        [
            ("file.completed", "notes.txt"),
            ("file.completed", "photo.jpg"),
            ("file.failed", "film.mp4"),
            ("file.refused", "bad.bin"),
        ]
    );

    // The same bytes are not taken in again, by nobody and under no name.
    let bob = house.site.channel("bob").await;
    let again = house.send(bob, "fine.bin", "", &eicar()).await;
    house.until(again, "virus_failed", WITHIN).await;
}

#[tokio::test]
async fn the_same_bytes_are_kept_once_for_one_member_and_for_another_again() {
    let clamd = Clamd::start();
    let house = House::start(&clamd.address(), |_| {}).await;
    let (_running, _stop) = house.site.run();
    let first = house.send(house.alice, "a.txt", "text/plain", b"the same words").await;
    house.until(first, "completed", WITHIN).await;
    let copy = house.send(house.alice, "b.txt", "text/plain", b"the same words").await;
    house.until(copy, "completed", WITHIN).await;
    let again = house.send(house.alice, "A.TXT", "text/plain", b"the same words").await;
    house.until(again, "duplicate", WITHIN).await;
    assert_eq!(again.file, first.file, "a name is a name, in whatever case");
    house.settled().await;
    assert_eq!(
        (house.objects(first.blob).len(), house.objects(copy.blob).len(), house.objects(again.blob).len()),
        (1, 0, 0)
    );
    let used = "SELECT sum(stored_bytes)::bigint AS n FROM blobs";
    assert_eq!(house.site.number(used).await, 14);

    let bob = house.site.channel("bob").await;
    let other = house.send(bob, "c.txt", "text/plain", b"the same words").await;
    house.until(other, "completed", WITHIN).await;
    assert_eq!(house.objects(other.blob).len(), 1, "of another member's nothing is known");

    // One of two goes: the bytes stay for the other, and go with it.
    let mut conn = house.site.deps.pool.acquire().await.unwrap();
    for (file, left) in [(first.file, 1), (copy.file, 0)] {
        db::files::trash(&mut conn, house.alice, &[file]).await.unwrap();
        assert_eq!(db::files::erase(&mut conn, house.alice, &[file]).await.unwrap().len(), 1);
        house.settled().await;
        assert_eq!(house.objects(first.blob).len(), left);
    }
    assert_eq!(house.objects(other.blob).len(), 1);
    assert_eq!(house.site.number(used).await, 14);
}

#[tokio::test]
async fn without_a_scanners_word_a_file_waits_and_goes_on_when_there_is_one() {
    let mut clamd = Clamd::prepared();
    let house = House::start(&clamd.address(), |_| {}).await;
    let file = house.send(house.alice, "a.txt", "text/plain", b"patience").await;
    // Larger than the scanner takes: nobody could say what is in it.
    let large = house.send(house.alice, "a.bin", "", &vec![7; 1_200_000]).await;
    let (_running, _stop) = house.site.run();
    house.until(large, "failed", WITHIN).await;
    assert_eq!(house.state(large).await.1.as_deref(), Some("file.unscannable"));
    let asked_again = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE job_type = 'rillcast-files' AND run_at > now() + interval '2 s'";
    house.site.until(asked_again, 1, WITHIN).await;
    assert_eq!(house.state(file).await.0, "queued");
    clamd.start_again();
    house.until(file, "completed", WITHIN).await;
    let failed = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status IN ('Failed', 'Killed')";
    assert_eq!(house.site.number(failed).await, 0, "waiting costs no attempt");
}

#[tokio::test]
async fn while_the_bucket_is_away_a_file_waits_and_loses_no_attempt() {
    let house = House::start("", |_| {}).await;
    let photo = house.send(house.alice, "a.jpg", "image/jpeg", &jpeg()).await;
    house.s3.set_down(true);
    let (_running, _stop) = house.site.run();
    let asked_again = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE job_type = 'rillcast-files' AND run_at > now() + interval '2 s'";
    house.site.until(asked_again, 1, WITHIN).await;
    assert_eq!(house.state(photo).await.0, "queued");
    house.s3.set_down(false);
    house.until(photo, "completed", WITHIN).await;
    let failed = "SELECT count(*)::bigint AS n FROM apalis.jobs WHERE status IN ('Failed', 'Killed')";
    assert_eq!(house.site.number(failed).await, 0);
}

#[tokio::test]
async fn what_fails_three_times_is_undone_once() {
    let house = House::start("", |_| {}).await;
    let photo = house.send(house.alice, "a.jpg", "image/jpeg", &jpeg()).await;
    // Whatever is tried, its last step breaks.
    house.site.execute("ALTER TABLE audit_log ADD CHECK (action <> 'file.completed')").await;
    let (_running, _stop) = house.site.run();
    house.until(photo, "failed", WITHIN).await;
    assert_eq!(house.state(photo).await.1.as_deref(), Some("file.internal"));
    house.settled().await;
    assert_eq!((house.objects(photo.blob).len(), house.rows("SELECT blob_id FROM blobs").await.len()), (0, 0));
    house.site.until("SELECT count(*)::bigint AS n FROM notifications", 1, WITHIN).await;
    assert_eq!(house.notices().await, [("file_failed".to_owned(), "a.jpg".to_owned())]);
    assert_eq!(house.site.number("SELECT count(*)::bigint AS n FROM audit_log").await, 1);
    let tries = "SELECT attempts::bigint AS n FROM apalis.jobs WHERE job_type = 'rillcast-files'";
    assert_eq!(house.site.number(tries).await, 3);
}

#[tokio::test]
async fn without_a_scanner_only_what_is_remade_is_taken_unless_the_operator_says_so() {
    let house = House::start("", |_| {}).await;
    let text = house.send(house.alice, "a.txt", "text/plain", b"words").await;
    let photo = house.send(house.alice, "a.jpg", "image/jpeg", &jpeg()).await;
    let (_running, _stop) = house.site.run();
    house.until(text, "failed", WITHIN).await;
    house.until(photo, "completed", WITHIN).await;

    let house = House::start("", |config| config.files.unscanned = true).await;
    let text = house.send(house.alice, "a.txt", "text/plain", b"words").await;
    let (_running, _stop) = house.site.run();
    house.until(text, "completed", WITHIN).await;
}

#[tokio::test]
async fn a_video_is_queued_to_become_a_recording_with_what_makes_it_complete() {
    let house = House::start("", |_| {}).await;
    let film =
        house.send(house.alice, "My film.mp4", "video/mp4", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41").await;
    let (_running, _stop) = house.site.run();
    house.until(film, "completed", WITHIN).await;
    let vods = "SELECT v.title, v.status, v.visibility, i.container, i.source_key, i.state, f.file_id
                  FROM vods v JOIN vod_imports i USING (vod_id) JOIN files f USING (vod_id)";
    let rows = house.rows(vods).await;
    assert_eq!(rows.len(), 1);
    let key = keys::blob(film.blob, "lock", BlobPart::Upload);
    for (field, wanted) in [
        ("title", "My film"),
        ("status", "processing"),
        ("visibility", "private"),
        ("container", "mp4"),
        ("source_key", key.as_str()),
        ("state", "queued"),
    ] {
        assert_eq!(rows[0][field], wanted, "{field}");
    }
    // Nobody has looked into what was sent: it is not served, only what is made of it.
    let withheld = "SELECT count(*)::bigint AS n FROM blobs WHERE is_withheld AND kind = 'video'";
    assert_eq!(house.site.number(withheld).await, 1);
    let mut conn = house.site.deps.pool.acquire().await.unwrap();
    db::files::trash(&mut conn, house.alice, &[film.file]).await.unwrap();
    db::files::erase(&mut conn, house.alice, &[film.file]).await.unwrap();
    let cancelled = "SELECT count(*)::bigint AS n FROM vod_imports WHERE state = 'cancelled'";
    assert_eq!(house.site.number(cancelled).await, 1);
}

#[tokio::test]
async fn what_nobody_goes_on_with_gives_its_room_back() {
    let house = House::start("", |_| {}).await;
    let left = house.send(house.alice, "a.jpg", "image/jpeg", &jpeg()).await;
    house.site.execute("UPDATE file_versions SET state = 'uploading', expires_at = now() - interval '1 s'; UPDATE blobs SET state = 'taking'").await;
    while jobs::files::tidy(&house.site.deps).await.unwrap() > 0 {}
    assert_eq!(house.state(left).await, ("failed".to_owned(), Some("file.expired".to_owned())));
    assert_eq!((house.objects(left.blob).len(), house.rows("SELECT blob_id FROM blobs").await.len()), (0, 0));
    while jobs::files::tidy(&house.site.deps).await.unwrap() > 0 {}

    // Objects nobody knows of go too, once they are old.
    let stray = keys::blob(BlobId::from_uuid(kit::ids::uuid()), "lock", BlobPart::Picture);
    let object = NewObject { key: &stray, body: vec![1].into(), content_type: "x/y", cache_control: "no-store" };
    house.site.deps.objects.put(object).await.unwrap();
    assert_eq!(jobs::files::sweep_strays(&house.site.deps, Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(jobs::files::sweep_strays(&house.site.deps, Duration::ZERO).await.unwrap(), 1);
}

/// Where the other half of the test below finds the site.
const URL: &str = "RILLCAST_TEST_FILES_URL";
const PREFIX: &str = "RILLCAST_TEST_FILES_PREFIX";
const STORE: &str = "RILLCAST_TEST_FILES_STORE";

#[tokio::test]
async fn a_worker_that_dies_at_any_step_loses_nothing_and_does_nothing_twice() {
    let sweeps = jobs::files::points::ALL.iter().map(|point| async move {
        let house = House::start("", |_| {}).await;
        let photo = house.send(house.alice, "photo.jpg", "image/jpeg", &jpeg()).await;
        let this = std::env::current_exe().expect("this program");
        let config = &house.site.deps.config;
        let mut child = Command::new(this)
            .args(["--ignored", "--exact", "files::the_half_that_dies"])
            .env(VARIABLE, point.name())
            .env(URL, &house.site.url)
            .env(PREFIX, &config.redis.prefix)
            .env(STORE, &config.storage.endpoint)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the other half");
        let died = tokio::time::timeout(TAKEN_OVER_WITHIN, child.wait()).await.expect("it ends").unwrap();
        assert!(!died.success(), "{} was never passed", point.name());
        let (_running, _stop) = house.site.run();
        house.until(photo, "completed", TAKEN_OVER_WITHIN).await;
        house.settled().await;
        assert_eq!(house.objects(photo.blob), ["picture", "thumbnail"], "{}", point.name());
        house.site.until("SELECT count(*)::bigint AS n FROM notifications", 1, WITHIN).await;
        house.site.until("SELECT count(*)::bigint AS n FROM audit_log", 1, WITHIN).await;
        assert_eq!(house.site.number("SELECT count(*)::bigint AS n FROM blobs").await, 1);
    });
    futures::future::join_all(sweeps).await;
}

#[tokio::test]
#[ignore = "run by the test above, which kills it"]
#[expect(clippy::disallowed_methods, reason = "what the other half says is no configuration")]
async fn the_half_that_dies() {
    let var = |name: &str| std::env::var(name).expect("run by the test above");
    let mut config = Config::default();
    config.redis.url = Secret::new(testkit::services::redis_url());
    config.redis.prefix = var(PREFIX);
    config.storage = testkit::s3::config_at(var(STORE));
    let deps = jobs::Deps {
        live: live::Live::new(&config.redis).unwrap(),
        objects: objects::Objects::new(&config.storage).unwrap(),
        health: kit::health::Health::default(),
        node: "dying".to_owned(),
        config: std::sync::Arc::new(config),
        pool: db::testing::pool(&var(URL)).unwrap(),
    };
    let _never = tokio::time::timeout(WITHIN, jobs::run(deps, kit::Stop::new())).await;
}

/// More zeros than clamd unpacks, which it says at once and would say again.
#[tokio::test]
async fn what_the_scanner_does_not_look_into_is_not_waited_for() {
    let clamd = Clamd::start();
    let house = House::start(&clamd.address(), |_| {}).await;
    let packed = tokio::process::Command::new("sh")
        .args(["-c", "head -c 130000000 /dev/zero | gzip -9"])
        .output()
        .await
        .expect("gzip is installed");
    assert!((1_000..1_000_000).contains(&packed.stdout.len()), "{} bytes", packed.stdout.len());
    let bomb = house.send(house.alice, "zeros.gz", "application/gzip", &packed.stdout).await;
    let (_running, _stop) = house.site.run();
    house.until(bomb, "failed", WITHIN).await;
    assert_eq!(house.state(bomb).await.1.as_deref(), Some("file.unscannable"));
    house.settled().await;
    assert_eq!(house.objects(bomb.blob).len(), 0);
}
