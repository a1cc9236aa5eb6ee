//! What a stream's task sets going beside the media path: its GStreamer child and notes in the stream's row.

use std::time::Duration;

use kit::retry::Backoff;
use media::codec::{AvcConfig, FrameRate, VideoConfig};

use super::Shared;
use super::lower::Lower;
use super::publisher::Publisher;
use crate::origin::shelf::StreamInfo;
use crate::worker::{Permit, Rung, Supervisor, WorkerSpec};

const THUMBNAIL_EVERY_S: u32 = 10;
/// Attempts to write a note, over about half a minute.
const NOTE_ATTEMPTS: u32 = 8;

/// What the machine has room for.
enum Room {
    /// The lower rendition and thumbnails.
    Full(Option<Permit>),
    /// Thumbnails only.
    Thumbnails(Permit),
    Nothing,
}

/// Starts a child for a stream whose source is `video`. False when there is none.
pub(super) fn start_child(shared: &Shared, info: &StreamInfo, video: &VideoConfig, publisher: &mut Publisher) -> bool {
    if shared.config.transcoder.ladder == "none" {
        return false;
    }
    let VideoConfig::Avc(avc) = video else {
        note(shared, info, format!("source-only: {} is not decoded here", video.codec().name()));
        return false;
    };
    let rung = Rung::p480();
    let has_permit = publisher.lower.as_ref().is_some_and(Lower::has_permit);
    let (permit, encode) = match if has_permit { Room::Full(None) } else { admit(shared, info, avc, &rung) } {
        Room::Full(permit) => (permit, publisher.lower.as_ref().is_none_or(Lower::may_encode)),
        Room::Thumbnails(permit) => (Some(permit), false),
        Room::Nothing => return false,
    };
    let spec = WorkerSpec {
        stream_id: info.stream_id,
        exe: shared.exe.clone(),
        codec_data: avc.record.clone(),
        width: avc.width,
        height: avc.height,
        frame_rate: avc.frame_rate.map_or((0, 0), |rate| (rate.num, rate.den)),
        rung,
        thumbnail_every_s: THUMBNAIL_EVERY_S,
        memory_mib: shared.config.transcoder.worker_memory_mib,
        encode,
    };
    let (input, events) = Supervisor::start(spec, &shared.tasks, shared.stop.clone());
    let (cutting, first_init) = (shared.cutting, publisher.first_init());
    let lower = publisher.lower.get_or_insert_with(|| Lower::new("480p", cutting, first_init, encode));
    lower.attach(input, events, permit);
    true
}

fn admit(shared: &Shared, info: &StreamInfo, avc: &AvcConfig, rung: &Rung) -> Room {
    let rate = avc.frame_rate.map_or(0.0, FrameRate::as_f64);
    match shared.admission.try_admit(avc.width, avc.height, rate, std::slice::from_ref(rung)) {
        Ok(permit) => {
            note(shared, info, "full".to_owned());
            Room::Full(Some(permit))
        }
        Err(refusal) => {
            tracing::warn!(reason = refusal.reason(), "the stream runs with its source rendition only");
            note(shared, info, format!("source-only: {}", refusal.reason()));
            shared.admission.try_admit(avc.width, avc.height, rate, &[]).map_or(Room::Nothing, Room::Thumbnails)
        }
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
