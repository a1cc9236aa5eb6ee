//! The search's documents: a consumer of the outbox that makes them of what is there now, and walks that make all of them anew.
//!
//! An event only says where to look. Told twice, late or in another order, the document is of the present row all the same.

use std::collections::{BTreeSet, HashMap};
use std::mem::take;

use db::search::{self, Document, Walk};
use domain::event::Event;
use domain::search::{Mark, SearchKind, Weight, indexed, title};
use domain::{FileId, StreamId, UserId, VersionId, Visibility, VodId};
use uuid::Uuid;

use crate::Deps;
use crate::job::Job;

/// Documents made in one statement, and in one transaction of a walk.
const BATCH: usize = 500;

/// What events say has changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    channels: BTreeSet<UserId>,
    vods: BTreeSet<VodId>,
    streams: BTreeSet<StreamId>,
    files: BTreeSet<FileId>,
    versions: BTreeSet<VersionId>,
}

impl Changes {
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::ChannelChanged { user_id } => _ = self.channels.insert(*user_id),
            Event::VodChanged { vod_id }
            | Event::VodReady { vod_id, .. }
            | Event::VodFailed { vod_id, .. }
            | Event::VodDeleted { vod_id, .. } => _ = self.vods.insert(*vod_id),
            // A stream on air has a recording that can be watched, and names it.
            Event::StreamOnline { stream_id, .. }
            | Event::StreamUpdated { stream_id, .. }
            | Event::StreamAccess { stream_id, .. } => _ = self.streams.insert(*stream_id),
            Event::FilesChanged { file_ids, .. } => self.files.extend(file_ids),
            Event::FileReady { file_id, .. } | Event::FileFailed { file_id, .. } => _ = self.files.insert(*file_id),
            Event::FileArrived { version_id } => _ = self.versions.insert(*version_id),
            Event::StreamReconnecting { .. }
            | Event::StreamResumed { .. }
            | Event::StreamOffline { .. }
            | Event::PublishDone { .. }
            | Event::RecordingStopped { .. }
            | Event::Followed { .. }
            | Event::FriendAsked { .. }
            | Event::FriendAccepted { .. }
            | Event::Mentioned { .. }
            | Event::RoomInvited { .. }
            | Event::UnbanAnswered { .. }
            | Event::MailAsked { .. }
            | Event::ResetAsked { .. }
            | Event::PasswordChanged { .. }
            | Event::TwoFactorChanged { .. }
            | Event::ChatModerated { .. }
            | Event::WebhookDue { .. }
            | Event::PaymentChanged { .. }
            | Event::PlanNotice { .. }
            | Event::ShareAccessed { .. }
            | Event::SignedInAnew { .. }
            | Event::SignInStolen { .. }
            | Event::WebhookDisabled { .. } => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.channels.is_empty()
            && self.vods.is_empty()
            && self.streams.is_empty()
            && self.files.is_empty()
            && self.versions.is_empty()
    }

    /// Makes the documents of all of it. Returns what takes longer than a relay may: the recordings of whoever is called otherwise.
    pub(crate) async fn index(mut self, conn: &mut db::Conn) -> anyhow::Result<Vec<Job>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        search::alone(conn).await?;
        let streams: Vec<_> = take(&mut self.streams).into_iter().collect();
        if !streams.is_empty() {
            self.vods.extend(search::vods_of_streams(conn, &streams).await?);
        }
        let versions: Vec<_> = take(&mut self.versions).into_iter().collect();
        if !versions.is_empty() {
            self.files.extend(search::files_of_versions(conn, &versions).await?);
        }
        let mut jobs = Vec::new();
        for some in chunks(self.channels) {
            jobs.extend(channels(conn, &some).await?.into_iter().map(|channel_id| Job::IndexVods { channel_id }));
        }
        for some in chunks(self.vods) {
            vods(conn, &some).await?;
        }
        for some in chunks(self.files) {
            files(conn, &some).await?;
        }
        Ok(jobs)
    }
}

fn chunks<T: Clone>(all: BTreeSet<T>) -> Vec<Vec<T>> {
    all.into_iter().collect::<Vec<_>>().chunks(BATCH).map(<[T]>::to_vec).collect()
}

/// Writes documents of those that are there and removes those of the others.
async fn put(conn: &mut db::Conn, kind: SearchKind, asked: Vec<Uuid>, documents: Vec<Document>) -> anyhow::Result<()> {
    let there: BTreeSet<Uuid> = documents.iter().map(|one| one.subject).collect();
    let gone: Vec<Uuid> = asked.into_iter().filter(|id| !there.contains(id)).collect();
    search::write(conn, &documents).await?;
    search::remove(conn, kind, &gone).await?;
    Ok(())
}

/// Returns those that were called otherwise until now.
async fn channels(conn: &mut db::Conn, ids: &[UserId]) -> anyhow::Result<Vec<UserId>> {
    let known: HashMap<_, _> = search::channel_titles(conn, ids).await?.into_iter().collect();
    let subjects = search::channel_subjects(conn, ids).await?;
    let (mark, mut renamed, mut documents) = (Mark::channels(), Vec::new(), Vec::with_capacity(subjects.len()));
    for is_hidden in [true, false] {
        let some: Vec<_> = subjects.iter().filter(|one| one.is_hidden == is_hidden).map(|one| one.id).collect();
        search::hide(conn, &some, is_hidden).await?;
    }
    for one in subjects {
        let titles: Vec<_> = [&one.username, &one.display_name].into_iter().filter_map(|name| title(name)).collect();
        if known.get(&one.id).is_some_and(|known| *known != titles) {
            renamed.push(one.id);
        }
        let parts = [(Weight::Name, &*one.username), (Weight::Name, &*one.display_name), (Weight::Text, &*one.bio)];
        documents.push(Document {
            kind: SearchKind::Channel,
            subject: one.id.as_uuid(),
            owner: one.id,
            visibility: Visibility::Public,
            is_hidden: one.is_hidden,
            titles,
            words: indexed(&mark, &parts),
        });
    }
    put(conn, SearchKind::Channel, ids.iter().map(|id| id.as_uuid()).collect(), documents).await?;
    Ok(renamed)
}

async fn vods(conn: &mut db::Conn, ids: &[VodId]) -> anyhow::Result<()> {
    let mark = Mark::vods();
    let documents = search::vod_subjects(conn, ids).await?.into_iter().map(|one| {
        let tags = one.tags.join(" ");
        let parts = [
            (Weight::Name, &*one.title),
            (Weight::Tag, &*tags),
            (Weight::Owner, &*one.username),
            (Weight::Owner, &*one.display_name),
            (Weight::Text, &*one.description),
        ];
        Document {
            kind: SearchKind::Vod,
            subject: one.id.as_uuid(),
            owner: one.channel,
            visibility: one.visibility,
            is_hidden: one.is_hidden,
            titles: title(&one.title).into_iter().collect(),
            words: indexed(&mark, &parts),
        }
    });
    let documents = documents.collect();
    put(conn, SearchKind::Vod, ids.iter().map(|id| id.as_uuid()).collect(), documents).await
}

async fn files(conn: &mut db::Conn, ids: &[FileId]) -> anyhow::Result<()> {
    let documents = search::file_subjects(conn, ids).await?.into_iter().map(|one| {
        let tags = one.tags.join(" ");
        // Who looks for `notes` means `notes.txt` too.
        let stem = one.name.rsplit_once('.').map(|(stem, _)| stem).and_then(title);
        Document {
            kind: SearchKind::File,
            subject: one.id.as_uuid(),
            owner: one.owner,
            visibility: one.visibility,
            is_hidden: false,
            titles: title(&one.name).into_iter().chain(stem).collect(),
            words: indexed(&Mark::files_of(one.owner), &[(Weight::Name, &one.name), (Weight::Tag, &tags)]),
        }
    });
    let documents = documents.collect();
    put(conn, SearchKind::File, ids.iter().map(|id| id.as_uuid()).collect(), documents).await
}

/// Makes the documents of a channel's recordings anew. Interrupted or run twice, they are the same in the end.
pub(crate) async fn index_vods(deps: &Deps, channel: UserId) -> anyhow::Result<()> {
    let mut after = VodId::from_uuid(Uuid::nil());
    loop {
        let mut tx = db::begin(&deps.pool).await?;
        search::alone(&mut tx).await?;
        let some = search::vods_of_channel(&mut tx, channel, after, BATCH as i64).await?;
        vods(&mut tx, &some).await?;
        db::commit(tx).await?;
        match some.last() {
            Some(last) if some.len() == BATCH => after = *last,
            _ => return Ok(()),
        }
    }
}

/// Makes all documents anew, and removes those of what is gone, some at a time: the site goes on meanwhile. Returns how many
/// subjects of each kind were looked at.
///
/// # Errors
/// When Postgres does not answer. What was done stays, and it can be done again.
pub async fn rebuild(pool: &db::Pool) -> anyhow::Result<Vec<(SearchKind, u64)>> {
    let mut seen = Vec::new();
    for kind in SearchKind::ALL {
        walk(pool, Walk::Documents, kind).await?;
        seen.push((kind, walk(pool, Walk::Subjects, kind).await?));
    }
    Ok(seen)
}

async fn walk(pool: &db::Pool, along: Walk, kind: SearchKind) -> anyhow::Result<u64> {
    let (mut after, mut seen) = (Uuid::nil(), 0);
    loop {
        let mut tx = db::begin(pool).await?;
        search::alone(&mut tx).await?;
        let ids = search::step(&mut tx, along, kind, after, BATCH as i64).await?;
        match kind {
            SearchKind::Channel => {
                channels(&mut tx, &ids.iter().copied().map(UserId::from_uuid).collect::<Vec<_>>()).await?;
            }
            SearchKind::Vod => vods(&mut tx, &ids.iter().copied().map(VodId::from_uuid).collect::<Vec<_>>()).await?,
            SearchKind::File => files(&mut tx, &ids.iter().copied().map(FileId::from_uuid).collect::<Vec<_>>()).await?,
        }
        db::commit(tx).await?;
        seen += ids.len() as u64;
        match ids.last() {
            Some(last) if ids.len() == BATCH => after = *last,
            _ => return Ok(seen),
        }
    }
}
