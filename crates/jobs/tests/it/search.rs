//! The search's documents: made of what events say has changed, the same however often and in whatever order they are heard.

use std::time::Duration;

use domain::event::Event;
use domain::file::Folder;
use domain::search::Question;
use domain::user::{DisplayName, Username};
use domain::{FileId, UserId, Visibility, VodId};
use serde_json::{Value, json};

use crate::{OPEN_JOBS, Site, WAITING, online};

const WAIT: Duration = Duration::from_secs(10);
const DOCUMENTS: &str = "SELECT count(*)::bigint AS n FROM search_documents";

impl Site {
    /// Until everything that was told is heard, and what followed is done.
    async fn heard(&self) {
        self.until(WAITING, 0, WAIT).await;
        self.until(OPEN_JOBS, 0, WAIT).await;
    }

    async fn documents(&self) -> Vec<Value> {
        let query = "SELECT kind, subject_id, owner_id, visibility, is_hidden, titles, words::text AS words
                       FROM search_documents ORDER BY kind, subject_id";
        db::testing::rows(&self.deps.pool, query).await.unwrap()
    }

    async fn document(&self, subject: uuid::Uuid) -> Option<Value> {
        self.documents().await.into_iter().find(|one| one["subject_id"] == json!(subject))
    }

    async fn vod(&self, channel: UserId, title: &str) -> VodId {
        let vod = VodId::from_uuid(kit::ids::uuid());
        self.execute(&format!(
            "INSERT INTO vods (vod_id, channel_id, title, tags, status, object_prefix, created_at)
             VALUES ('{vod}', '{channel}', '{title}', '{{live,piano}}', 'ready', 'vod/{vod}/', now())"
        ))
        .await;
        vod
    }

    async fn file(&self, owner: UserId, folder: &str, name: &str) -> FileId {
        let file = FileId::from_uuid(kit::ids::uuid());
        self.execute(&format!(
            "INSERT INTO files (file_id, owner_id, folder, name, visibility, bytes)
             VALUES ('{file}', '{owner}', '{folder}', '{name}', 'private', 1)"
        ))
        .await;
        file
    }

    /// The ids of recordings a visitor finds.
    async fn found(&self, text: &str) -> Vec<VodId> {
        let question = Question::parse(text).unwrap();
        let found = db::search::vods(&self.deps.pool, &question, None, None, 10).await.unwrap();
        found.into_iter().map(|one| one.id).collect()
    }
}

fn ready(vod_id: VodId, channel_id: UserId) -> Event {
    Event::VodReady { vod_id, channel_id, username: Username::parse("alice").unwrap() }
}

#[tokio::test]
async fn a_recording_is_found_from_its_publication_until_it_is_private_or_gone() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let vod = site.vod(alice, "Đêm nhạc Đà Nẵng").await;
    let (_running, _stop) = site.run();
    site.tell(&ready(vod, alice)).await;
    site.heard().await;
    let document = site.document(vod.as_uuid()).await.unwrap();
    assert_eq!((&document["visibility"], &document["titles"]), (&json!("public"), &json!(["dem nhac da nang"])));
    for text in ["da nang", "ĐÀ NẴNG đê", "piano", "alice dem", "nhạc"] {
        assert_eq!(site.found(text).await, [vod], "{text}");
    }
    assert_eq!(site.found("nang dan").await, []);

    let mut conn = site.deps.pool.acquire().await.unwrap();
    let change = |visibility| db::channels::SettingsChange { visibility: Some(visibility), ..Default::default() };
    assert!(db::vods::update(&mut conn, vod, &change(Visibility::Private)).await.unwrap());
    // The row decides at once, the document follows.
    assert_eq!(site.found("da nang").await, []);
    site.heard().await;
    assert_eq!(site.document(vod.as_uuid()).await.unwrap()["visibility"], "private");
    assert!(db::vods::update(&mut conn, vod, &change(Visibility::Public)).await.unwrap());
    site.heard().await;
    assert_eq!(site.found("da nang").await, [vod]);

    let object_prefix = db::vods::delete(&mut conn, vod).await.unwrap().unwrap();
    assert_eq!(site.found("da nang").await, []);
    site.tell(&Event::VodDeleted { vod_id: vod, object_prefix }).await;
    site.until(DOCUMENTS, 0, WAIT).await;
}

#[tokio::test]
async fn what_is_on_air_is_found_by_what_it_is_called_now() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let stream = site.live_stream(alice).await;
    let vod = site.vod(alice, "Evening").await;
    site.execute(&format!("UPDATE vods SET stream_id = '{stream}', status = 'recording'")).await;
    let (_running, _stop) = site.run();
    site.tell(&online(stream, alice, "alice")).await;
    site.until(DOCUMENTS, 1, WAIT).await;
    assert_eq!(site.found("evening").await, [vod]);
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let change = db::channels::SettingsChange { title: Some("Night".to_owned()), ..Default::default() };
    db::streams::retitle_open(&mut conn, alice, &change).await.unwrap();
    site.until(WAITING, 0, WAIT).await;
    assert_eq!((site.found("evening").await, site.found("night").await), (vec![], vec![vod]));
}

#[tokio::test]
async fn heard_twice_late_or_again_the_documents_are_the_same() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let (one, other) = (site.vod(alice, "One").await, site.vod(alice, "Other").await);
    let file = site.file(alice, "/", "notes.txt").await;
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let gone = db::vods::delete(&mut conn, other).await.unwrap().unwrap();
    // The end of one is told before its beginning, and everything is told three times.
    for _ in 0..3 {
        site.tell(&Event::VodDeleted { vod_id: other, object_prefix: gone.clone() }).await;
        site.tell(&ready(other, alice)).await;
        site.tell(&ready(one, alice)).await;
        site.tell(&Event::ChannelChanged { user_id: alice }).await;
        site.tell(&Event::FilesChanged { owner_id: alice, file_ids: vec![file] }).await;
    }
    let (_running, _stop) = site.run();
    site.until(WAITING, 0, WAIT).await;
    let first = site.documents().await;
    let kinds: Vec<_> = first.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["channel", "file", "vod"]);

    site.execute("DELETE FROM search_documents").await;
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    assert_eq!(db::consumers::replay(&mut tx, "search", None).await.unwrap(), 15);
    db::commit(tx).await.unwrap();
    site.until(WAITING, 0, WAIT).await;
    assert_eq!(site.documents().await, first);
}

#[tokio::test]
async fn a_rebuild_makes_all_of_it_and_clears_what_is_gone() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let vod = site.vod(alice, "One").await;
    site.file(alice, "/", "notes.txt").await;
    let trashed = site.file(alice, "/", "old.txt").await;
    site.execute(&format!(
        "UPDATE files SET trashed_at = now() WHERE file_id = '{trashed}';
         INSERT INTO vods (vod_id, channel_id, title, status, object_prefix, created_at)
         SELECT gen_random_uuid(), '{alice}', 'Episode ' || n, 'ready', 'vod/' || n || '/', now() FROM generate_series(1, 1200) AS n;
         INSERT INTO search_documents (kind, subject_id, owner_id, visibility, titles, words)
         SELECT 'vod', gen_random_uuid(), '{alice}', 'public', '{{}}', '''vone''' FROM generate_series(1, 3);
         INSERT INTO search_documents (kind, subject_id, owner_id, visibility, titles, words)
         VALUES ('vod', '{vod}', '{alice}', 'public', '{{}}', '''vstale''')"
    ))
    .await;
    for _ in 0..2 {
        let seen = jobs::search::rebuild(&site.deps.pool).await.unwrap();
        assert_eq!(seen.iter().map(|(_, seen)| *seen).collect::<Vec<_>>(), [1, 1_201, 2]);
        assert_eq!(site.number(DOCUMENTS).await, 1 + 1_201 + 1);
        assert_eq!((site.found("one").await, site.found("stale").await), (vec![vod], vec![]));
    }
}

#[tokio::test]
async fn a_member_who_is_suspended_is_found_nowhere_and_one_with_another_name_by_it() {
    let site = Site::start(|_| {}).await;
    let alice = site.channel("alice").await;
    let vod = site.vod(alice, "Evening").await;
    site.tell(&ready(vod, alice)).await;
    site.tell(&Event::ChannelChanged { user_id: alice }).await;
    let (_running, _stop) = site.run();
    site.heard().await;
    let mut conn = site.deps.pool.acquire().await.unwrap();
    let channels = async |text: &str| {
        let question = Question::parse(text).unwrap();
        db::search::channels(&site.deps.pool, &question, None, None, 10).await.unwrap().len()
    };
    assert_eq!((channels("ali").await, site.found("evening").await.len()), (1, 1));
    let name = DisplayName::parse("Chị Lan").unwrap();
    assert!(db::users::update_profile(&mut conn, alice, Some(&name), Some("Gouache landscapes")).await.unwrap());
    site.until("SELECT count(*)::bigint AS n FROM search_documents WHERE words @@ '''vlan'''", 1, WAIT).await;
    site.heard().await;
    assert_eq!((channels("chi lan").await, channels("gouache").await, channels("alice").await), (1, 1, 1));
    assert_eq!(site.found("lan evening").await, [vod]);
    for (is_suspended, found) in [(true, 0), (false, 1)] {
        assert!(db::users::set_suspended(&mut conn, alice, is_suspended).await.unwrap());
        site.heard().await;
        let hidden = "SELECT count(*)::bigint AS n FROM search_documents WHERE is_hidden";
        assert_eq!(site.number(hidden).await, if is_suspended { 2 } else { 0 });
        assert_eq!((channels("lan").await, site.found("evening").await.len()), (found, found));
    }
}

#[tokio::test]
async fn files_are_found_by_their_owner_while_they_are_not_in_the_trash() {
    let site = Site::start(|_| {}).await;
    let (alice, bob) = (site.channel("alice").await, site.channel("bob").await);
    let own = site.file(alice, "/", "Bản nháp.txt").await;
    let below = site.file(alice, "/drafts/", "Bản nháp 2.txt").await;
    site.file(bob, "/", "Bản nháp.txt").await;
    let (_running, _stop) = site.run();
    jobs::search::rebuild(&site.deps.pool).await.unwrap();
    let found = async |who: UserId, text: &str| {
        let question = Question::parse(text).unwrap();
        let found = db::search::files(&site.deps.pool, &question, who, None, 10).await.unwrap();
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    // The one that is called just that is the first.
    assert_eq!(found(alice, "ban nhap").await, [own, below]);
    assert_eq!(found(bob, "ban nhap").await.len(), 1);

    let mut conn = site.deps.pool.acquire().await.unwrap();
    let change = db::files::Change { name: Some("final.txt"), ..Default::default() };
    db::files::change(&mut conn, alice, own, &change).await.unwrap();
    site.heard().await;
    assert_eq!((found(alice, "ban nhap").await, found(alice, "fin").await), (vec![below], vec![own]));
    db::files::trash_folder(&mut conn, alice, &Folder::parse("/drafts/").unwrap()).await.unwrap();
    db::files::trash(&mut conn, alice, &[own]).await.unwrap();
    site.heard().await;
    assert_eq!(site.number("SELECT count(*)::bigint AS n FROM search_documents WHERE kind = 'file'").await, 1);
    db::files::restore(&mut conn, alice, own).await.unwrap();
    site.heard().await;
    assert_eq!(found(alice, "final").await, [own]);
    db::files::trash(&mut conn, alice, &[own]).await.unwrap();
    let mut tx = db::begin(&site.deps.pool).await.unwrap();
    assert_eq!(db::files::erase(&mut tx, alice, &[own, below]).await.unwrap().len(), 2);
    db::commit(tx).await.unwrap();
    site.heard().await;
    assert_eq!(site.number("SELECT count(*)::bigint AS n FROM search_documents WHERE kind = 'file'").await, 1);
}
