//! What a stream's task sets going beside the media path: its GStreamer child and notes in the stream's row.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::retry::Backoff;
use media::codec::{FrameRate, VideoConfig};

use super::Shared;
use super::lower::Lower;
use super::publisher::Publisher;
use crate::origin::shelf::StreamInfo;
use crate::worker::{Mask, Permit, RESTORE_AFTER, Refusal, Rung, Source, Supervisor, WorkerSpec};

const THUMBNAIL_EVERY_S: u32 = 10;
/// Of a storyboard as it begins; it takes fewer of them later.
const TILE_EVERY_S: u32 = super::storyboard::EVERY_S;
/// Attempts to write a note, over about half a minute.
const NOTE_ATTEMPTS: u32 = 8;

/// Starts a child for a stream whose source is `video`; for its pictures alone where there are no rungs to make. False when
/// there is none.
pub(super) fn start_child(shared: &Shared, info: &StreamInfo, video: &VideoConfig, publisher: &mut Publisher) -> bool {
    let (codec, (width, height)) = (video.codec(), video.size());
    let rungs = Rung::of(codec, &shared.ladder, width, height);
    let fps = video.frame_rate().map_or(0.0, FrameRate::as_f64);
    let source = Source { codec, width, height, fps };
    let known = publisher.lower.as_ref().and_then(Lower::permit).filter(|permit| permit.is_for(source, &rungs));
    let permit = match known.cloned() {
        Some(permit) => permit,
        None => {
            if let Some(lower) = &mut publisher.lower {
                lower.release();
            }
            match admit(shared, info, source, &rungs) {
                Some(permit) => permit,
                None => return false,
            }
        }
    };
    let names: Vec<&'static str> = rungs.iter().map(|rung| interned(&rung.name)).collect();
    let spec = WorkerSpec {
        stream_id: info.stream_id,
        exe: shared.exe.clone(),
        codec,
        codec_data: video.record().clone(),
        width,
        height,
        frame_rate: video.frame_rate().map_or((0, 0), |rate| (rate.num, rate.den)),
        encoder: permit.encoder(),
        rungs,
        thumbnail_every_s: THUMBNAIL_EVERY_S,
        tile_every_s: TILE_EVERY_S,
        memory_mib: shared.config.transcoder.worker_memory_mib,
        share: Some(Arc::clone(&permit)),
        restore_after: RESTORE_AFTER,
    };
    let (input, events) = Supervisor::start(spec, &shared.tasks, shared.stop.clone());
    let (cutting, first_init) = (shared.cutting, publisher.first_init());
    let lower = publisher.lower.get_or_insert_with(|| Lower::new(cutting, first_init));
    lower.attach(input, events, permit, &names);
    true
}

/// The name for as long as the process runs. There are no more of them than rungs in the configuration and even heights up to
/// 1080 that a rung in the source's place can have.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

fn admit(shared: &Shared, info: &StreamInfo, source: Source, rungs: &[Rung]) -> Option<Arc<Permit>> {
    let pictures = || Arc::new(shared.admission.admit_pictures(source, rungs.to_vec()));
    let has_pictures = shared.config.transcoder.pictures;
    if rungs.is_empty() {
        // Whoever asked for a ladder has pictures of a source that is smaller than all of it.
        return (has_pictures || !shared.ladder.is_empty()).then(pictures);
    }
    match shared.admission.try_admit(source, rungs.to_vec()) {
        Ok(permit) => {
            if let Some(refusal) = permit.refusal() {
                tracing::warn!(reason = refusal.reason(), "the stream runs with fewer renditions");
            }
            note(shared, info, described(rungs, permit.mask(), permit.refusal().map(Refusal::reason)));
            Some(Arc::new(permit))
        }
        Err(refusal) => {
            tracing::warn!(reason = refusal.reason(), "the stream runs with its source rendition only");
            note(shared, info, format!("source-only: {}", refusal.reason()));
            has_pictures.then(pictures)
        }
    }
}

/// Which of the rungs run, for the stream's row.
pub(super) fn described(rungs: &[Rung], running: Mask, reason: Option<String>) -> String {
    let names = |wanted: bool| -> Vec<&str> {
        let some = rungs.iter().enumerate().filter(|(number, _)| running.has(*number) == wanted);
        some.map(|(_, rung)| rung.name.as_str()).collect()
    };
    let missing = names(false);
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    match (missing.is_empty(), running.is_empty()) {
        (true, _) => "full".to_owned(),
        (false, true) => format!("source-only{reason}"),
        (false, false) => format!("without {}{reason}", missing.join(", ")),
    }
}

/// Writes what became of the lower renditions into the stream's row, when Postgres has time.
pub(super) fn note(shared: &Shared, info: &StreamInfo, text: String) {
    let (pool, stream, stop) = (shared.pool.clone(), info.stream_id, shared.stop.clone());
    shared.tasks.spawn(async move {
        let mut waits = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));
        for _ in 0..NOTE_ATTEMPTS {
            let write = async {
                let mut conn = pool.acquire().await.map_err(db::DbError::from)?;
                db::recordings::set_renditions_note(&mut conn, stream, Some(&text)).await
            };
            let Err(error) = write.await else { return };
            tracing::debug!(%error, "the stream's note could not be written yet");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(waits.next_wait()) => {}
            }
        }
        tracing::warn!(stream.id = %stream, "the stream's row does not say which renditions it has");
    });
}
