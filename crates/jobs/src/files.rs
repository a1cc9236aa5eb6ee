//! What is done to a member's file that is here: it is sorted by its bytes, read once for its digest and by the scanner, shared with what the
//! member has already or made ours, and served. Until then nothing of it is.
//!
//! ```text
//! take ─▶ sort ─▶ read (digest, scan) ─▶ link ─▶ develop (pictures) ─▶ finish (videos: queue for packaging)
//!           │        │                     │        │                     │
//!           └────────┴── fail: row, bytes, room and notice, once ─────────┘
//! ```
//! Every step starts from what the row says and may be done again after a death in the middle. A scanner, a bucket or a disk
//! that is away costs no attempt: the file waits, and its turn comes again.

pub mod points;
mod reading;
mod upkeep;

use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context;
use db::audit::Entry;
use db::files::pipeline::{self, Finished, Linked, Made, Work};
use domain::attachment::PictureFormat;
use domain::audit::{Action, Actor};
use domain::file::sort::Sorted;
use domain::file::{CHECKED_FOR, DONE_WITHIN, Failure, HEAD_BYTES};
use domain::{UserId, VersionId, VodId};
use futures::StreamExt;
use live::fanout::{Push, Target};
use objects::keys::{self, BlobPart};
use objects::{NewObject, ObjectsError};
use pictures::{PictureError, Use};
use serde_json::json;
use tokio::sync::Semaphore;

use self::reading::Reading;
use crate::scan::{ScanError, Scanner, Verdict};
use crate::{Deps, Job, queue};

pub(crate) use upkeep::run;
pub use upkeep::{sweep_strays, tidy};

/// Tried so often, after deaths and errors alike.
pub(crate) const ATTEMPTS_MAX: usize = 3;
/// Longest one turn takes: the largest file, read at 4 MiB a second.
pub(crate) const RUN_MAX: Duration = Duration::from_secs(3_600);
/// Nobody but who asked keeps it, and only while they look.
const KEEP: &str = "private, no-store";
/// A picture of more bytes has too many pixels, whatever it says.
const PICTURE_BYTES_MAX: i64 = 100 << 20;
/// Between one question to a scanner that is away and the next.
const ASK_AGAIN_MIN_S: f64 = 5.0;
const ASK_AGAIN_MAX_S: f64 = 300.0;
/// Pictures decoded at a time: with their limits this bounds our memory.
static STUDIO: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1));

/// What a turn ended in.
enum Outcome {
    /// It is served, or was taken away, or waits for a scanner: nothing is left to do now.
    Settled,
    Failed(Failure),
}

/// Takes a version's turn. An error: it is tried again.
pub(crate) async fn process(deps: &Deps, version: VersionId) -> anyhow::Result<()> {
    let work = pipeline::take(&mut *deps.pool.acquire().await?, version).await?;
    let Some(work) = work else { return Ok(()) };
    points::TAKEN.pass();
    tell(deps, work.owner, &work).await;
    let outcome = match turn(deps, &work).await {
        Err(error) if is_passing(&error) => postpone(deps, &work, Failure::Internal, &error).await,
        outcome => outcome,
    };
    match outcome? {
        Outcome::Settled => {}
        Outcome::Failed(failure) => fail(deps, version, failure).await?,
    }
    tell(deps, work.owner, &work).await;
    Ok(())
}

/// Undoes what the attempts began.
pub(crate) async fn give_up(conn: &mut db::Conn, version: VersionId) -> anyhow::Result<()> {
    end(conn, version, Failure::Internal).await
}

/// Whether the bucket or a disk is to blame, and not the file: their outages end, and cost no attempt.
fn is_passing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<ObjectsError>().is_some_and(ObjectsError::is_unavailable) || cause.is::<std::io::Error>()
    })
}

async fn fail(deps: &Deps, version: VersionId, failure: Failure) -> anyhow::Result<()> {
    let mut tx = db::begin(&deps.pool).await?;
    end(&mut tx, version, failure).await?;
    Ok(db::commit(tx).await?)
}

/// Nothing becomes of a version, and that is written down. Once, however often it is asked for.
async fn end(conn: &mut db::Conn, version: VersionId, failure: Failure) -> anyhow::Result<()> {
    let Some(undone) = pipeline::fail(conn, version, failure).await? else { return Ok(()) };
    let action = if failure == Failure::Infected { Action::FileRefused } else { Action::FileFailed };
    let mut entry = Entry::new(Actor::Worker("files"), action, undone.file, &undone.name);
    entry.member = Some(undone.owner);
    entry.details = json!({ "code": failure.code(), "version_id": version });
    db::audit::write(conn, entry).await?;
    metrics::counter!("rillcast_files_total", "outcome" => failure.code()).increment(1);
    tracing::info!(file.id = %undone.file, version.id = %version, code = failure.code(), "nothing became of a file");
    Ok(())
}

async fn turn(deps: &Deps, work: &Work) -> anyhow::Result<Outcome> {
    let key = keys::blob(work.blob, &work.lock, BlobPart::Upload);
    let head = deps.objects.get(&key, Some(&format!("bytes=0-{}", HEAD_BYTES - 1))).await;
    let head = match head {
        Ok(object) => object.collect(HEAD_BYTES).await?,
        // It was said to be here; nobody will bring it again.
        Err(error) if error.is_not_found() => return Ok(Outcome::Failed(Failure::Internal)),
        Err(error) => return Err(error.into()),
    };
    let Ok(sorted) = Sorted::judge(&work.name, &work.mime, &head) else {
        return Ok(Outcome::Failed(Failure::NotWhatItSays));
    };
    let scanner = Scanner::of(&deps.config.scan);
    let is_scannable = scanner.is_some() && work.bytes.cast_unsigned() <= deps.config.scan.bytes_max();
    // Of pictures and videos only what we make of them is served: they may do without.
    let may_do_without = sorted.is_remade() || scanner.is_none() && deps.config.files.unscanned;
    if !is_scannable && !may_do_without {
        return Ok(Outcome::Failed(Failure::Unscannable));
    }
    let asked = scanner.filter(|_| is_scannable);
    let Some(read) = reading::read(deps, work, &key, asked).await? else { return Ok(Outcome::Settled) };
    let Reading { mut sha256, verdict } = read;
    let mut is_looked_into = is_scannable;
    match verdict {
        Some(Ok(Verdict::Infected(signature))) => return infected(deps, work, sha256.as_ref(), &signature).await,
        Some(Err(ScanError::Beyond(_))) if !may_do_without => return Ok(Outcome::Failed(Failure::Unscannable)),
        Some(Err(ScanError::Beyond(limit))) => {
            tracing::info!(file.id = %work.file, limit, "nothing of a file is served but what is made of it");
            is_looked_into = false;
            if sha256.is_none() {
                let Some(again) = reading::read(deps, work, &key, None).await? else { return Ok(Outcome::Settled) };
                sha256 = again.sha256;
            }
        }
        Some(Err(error)) => return postpone(deps, work, Failure::Unscannable, &error.into()).await,
        Some(Ok(Verdict::Clean)) | None => {}
    }
    // Nothing broke off: all of it was read.
    let sha256 = sha256.context("a file was read without its digest")?;
    points::READ.pass();
    let mut tx = db::begin(&deps.pool).await?;
    if pipeline::is_refused(&mut tx, &sha256).await? {
        return Ok(Outcome::Failed(Failure::Infected));
    }
    match pipeline::link(&mut tx, work, &sha256).await? {
        Linked::New => drop(tx),
        Linked::Over => return Ok(Outcome::Settled),
        linked @ (Linked::Shared | Linked::Duplicate) => {
            written(&mut tx, work, json!({ "is_known": true, "is_duplicate": linked == Linked::Duplicate })).await?;
            db::commit(tx).await?;
            metrics::counter!("rillcast_files_total", "outcome" => "known").increment(1);
            return Ok(Outcome::Settled);
        }
    }
    let is_withheld = !is_looked_into && scanner_is_due(deps) && sorted.container.is_some();
    finish(deps, work, &sorted, &sha256, is_withheld).await
}

/// Whether originals are served only after a scanner's word.
fn scanner_is_due(deps: &Deps) -> bool {
    deps.config.scan.address().is_some() || !deps.config.files.unscanned
}

async fn infected(deps: &Deps, work: &Work, sha256: Option<&[u8; 32]>, signature: &str) -> anyhow::Result<Outcome> {
    tracing::warn!(file.id = %work.file, user.id = %work.owner, signature, "a scanner found something");
    if let Some(sha256) = sha256 {
        pipeline::refuse(&mut *deps.pool.acquire().await?, sha256, signature).await?;
    }
    Ok(Outcome::Failed(Failure::Infected))
}

/// Waits for the scanner, the bucket or a disk, in no attempt's name. After days the file is given up.
async fn postpone(deps: &Deps, work: &Work, failure: Failure, error: &anyhow::Error) -> anyhow::Result<Outcome> {
    tracing::warn!(file.id = %work.file, error = format!("{error:#}"), "a file waits");
    if work.age_s > CHECKED_FOR.as_secs_f64() {
        return Ok(Outcome::Failed(failure));
    }
    // The longer it is away, the less often it is asked.
    let wait_s = (work.age_s / 4.0).clamp(ASK_AGAIN_MIN_S, ASK_AGAIN_MAX_S) * (1.0 + 0.1 * kit::ids::jitter());
    let mut tx = db::begin(&deps.pool).await?;
    pipeline::wait(&mut tx, work.version, wait_s + DONE_WITHIN.as_secs_f64()).await?;
    queue::push_in(&mut tx, Job::ProcessFile { version_id: work.version }, wait_s.ceil() as u32).await?;
    db::commit(tx).await?;
    Ok(Outcome::Settled)
}

/// What was made of a picture and put beside what was sent.
struct Picture {
    size: (i32, i32),
    /// `None`: what was sent is served.
    own: Option<(i64, &'static str)>,
    thumb_bytes: i64,
}

async fn finish(
    deps: &Deps,
    work: &Work,
    sorted: &Sorted,
    sha256: &[u8; 32],
    is_withheld: bool,
) -> anyhow::Result<Outcome> {
    let picture = match sorted.picture {
        Some(format) => match develop(deps, work, format).await? {
            Ok(picture) => Some(picture),
            Err(failure) => return Ok(Outcome::Failed(failure)),
        },
        None => None,
    };
    points::STORED.pass();
    let own = picture.as_ref().and_then(|picture| picture.own);
    let (bytes, mime) = own.unwrap_or((work.bytes, sorted.mime.as_str()));
    let thumb_bytes = picture.as_ref().map_or(0, |picture| picture.thumb_bytes);
    let made = Made {
        sha256,
        kind: sorted.kind,
        mime,
        bytes,
        stored_bytes: bytes + thumb_bytes,
        size: picture.as_ref().map(|picture| picture.size),
        is_developed: own.is_some(),
        has_thumb: picture.is_some(),
        is_withheld,
        vod: sorted.container.map(|_| VodId::from_uuid(kit::ids::uuid())),
    };
    let mut tx = db::begin(&deps.pool).await?;
    if let Some((vod, container)) = made.vod.zip(sorted.container) {
        let source_key = keys::blob(work.blob, &work.lock, BlobPart::Upload);
        let title = work.name.rsplit_once('.').map_or(work.name.as_str(), |(title, _)| title);
        let new = db::imports::New {
            vod,
            channel: work.owner,
            title,
            visibility: work.visibility,
            source_key: &source_key,
            source_bytes: work.bytes,
            container,
        };
        db::imports::queue(&mut tx, &new).await?;
    }
    match pipeline::finish(&mut tx, work, &made, deps.config.file_rooms()).await? {
        Finished::Done => {}
        Finished::Over => return Ok(Outcome::Settled),
        Finished::Full => return Ok(Outcome::Failed(Failure::Full)),
    }
    written(&mut tx, work, json!({ "kind": sorted.kind, "bytes": bytes })).await?;
    db::commit(tx).await?;
    points::FINISHED.pass();
    metrics::counter!("rillcast_files_total", "outcome" => "completed").increment(1);
    Ok(Outcome::Settled)
}

/// Writes down that a version is complete.
async fn written(conn: &mut db::Conn, work: &Work, details: serde_json::Value) -> anyhow::Result<()> {
    let mut entry = Entry::new(Actor::Worker("files"), Action::FileCompleted, work.file, &work.name);
    entry.member = Some(work.owner);
    entry.details = details;
    db::audit::write(conn, entry).await?;
    Ok(())
}

/// Makes our own picture of what was sent, and its thumbnail. Of moving pictures only the thumbnail is ours.
async fn develop(deps: &Deps, work: &Work, format: PictureFormat) -> anyhow::Result<Result<Picture, Failure>> {
    if work.bytes > PICTURE_BYTES_MAX {
        return Ok(Err(Failure::TooManyPixels));
    }
    let _one_at_a_time = STUDIO.acquire().await?;
    let file = fetch(deps, work).await?;
    let made = tokio::task::spawn_blocking(move || pictures::develop(file, format, Use::File)).await;
    points::DEVELOPED.pass();
    // A decoder that panicked on it did not find a picture.
    let made = match made.unwrap_or(Err(PictureError::NotAPicture)) {
        Ok(made) => made,
        Err(PictureError::NotAPicture) => return Ok(Err(Failure::NotWhatItSays)),
        Err(PictureError::TooManyPixels) => return Ok(Err(Failure::TooManyPixels)),
        Err(error @ PictureError::Failed) => return Err(error.into()),
    };
    let is_own = format != PictureFormat::Gif;
    let size = (made.width.cast_signed(), made.height.cast_signed());
    let own = is_own.then_some((made.picture.bytes.len() as i64, made.picture.mime));
    let thumb_bytes = made.thumbnail.bytes.len() as i64;
    let mut puts = vec![(BlobPart::Thumbnail, made.thumbnail)];
    if is_own {
        puts.push((BlobPart::Picture, made.picture));
    }
    for (part, encoded) in puts {
        let key = keys::blob(work.blob, &work.lock, part);
        let body = encoded.bytes.into();
        deps.objects.put(NewObject { key: &key, body, content_type: encoded.mime, cache_control: KEEP }).await?;
    }
    Ok(Ok(Picture { size, own, thumb_bytes }))
}

/// The upload as a file without a name, which goes with its last handle.
async fn fetch(deps: &Deps, work: &Work) -> anyhow::Result<File> {
    let folder = deps.config.data_dir.join("uploads");
    tokio::fs::create_dir_all(&folder).await?;
    let mut file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await??;
    let mut body = deps.objects.get(&keys::blob(work.blob, &work.lock, BlobPart::Upload), None).await?.body;
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        bytes += piece.len() as i64;
        anyhow::ensure!(bytes <= work.bytes, "the bucket has more of a file than was sent");
        file = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file)).await??;
    }
    anyhow::ensure!(bytes == work.bytes, "the bucket has less of a file than was sent");
    Ok(file)
}

/// Tells the owner's open pages that a file has changed. They ask again; what is lost here is only late.
async fn tell(deps: &Deps, owner: UserId, work: &Work) {
    let payload = json!({ "file_id": work.file, "version_id": work.version });
    let push = Push { target: Target::User(owner), event: "file:changed".to_owned(), payload, origin: None };
    if let Err(error) = live::fanout::publish(&deps.live, &push).await {
        tracing::debug!(%error, "a change of a file was not told");
    }
}
