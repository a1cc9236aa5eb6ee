//! The MPEG-DASH manifest of a stream, from the same views its playlists are made of.
//!
//! Made when somebody asks, once per segment, and shared.

use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use domain::StreamId;
use kit::negotiation::{is_unchanged, takes_gzip};
use media::dash::{Media, Mpd, Presentation, Span, Track};
use media::playlist::{MediaPlaylist, SegmentLine};
use sha2::{Digest, Sha256};

use super::past::Past;
use super::reply::Life;
use super::shelf::{Shelf, Stage, gzip};

const TYPE: &str = "application/dash+xml";
/// Where players read the time: `api` serves it.
const CLOCK_URL: &str = "/api/v1/time";
/// A stream's presentation begins this long before its id was made, so that clocks of other nodes that are behind matter not.
const BEFORE_ID_MS: i64 = 60_000;

/// A manifest, ready to be sent.
#[derive(Debug)]
pub(crate) struct Page {
    /// What it was made of.
    version: (Stage, Vec<(u64, Option<u64>)>, u64),
    plain: Bytes,
    gzip: Bytes,
    etag: String,
}

/// The manifest as of now. `None` while no segment is finished.
pub(crate) fn of(shelf: &Shelf, is_from_start: bool, query: &str) -> Option<Arc<Page>> {
    let (racks, multivariant) = (shelf.racks(), shelf.multivariant()?);
    let views: Vec<_> = racks.iter().map(|rack| (rack, rack.view())).collect();
    let version = (
        shelf.stage(),
        views.iter().map(|(_, view)| (view.playlist.media_sequence(), view.playlist.last_msn())).collect(),
        multivariant.variants.len() as u64,
    );
    let known = |slots: &[Option<Arc<Page>>; 2]| {
        slots[usize::from(is_from_start)].clone().filter(|page| page.version == version && query.is_empty())
    };
    if let Some(page) = known(&shelf.manifests.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Some(page);
    }
    let mut tracks = Vec::with_capacity(views.len());
    let mut listed_from = 0;
    for (rack, view) in &views {
        let variant = multivariant.variants.iter().find(|variant| variant.name == rack.name);
        let (media, codecs, bandwidth) = match (variant, &multivariant.audio) {
            (Some(variant), _) => {
                let (width, height) = variant.resolution;
                let media = Media::Video { width, height, frame_rate: variant.frame_rate };
                (media, variant.codecs.clone(), variant.bandwidth)
            }
            (None, Some(audio)) if audio.uri.contains(&format!("/{}/", rack.name)) => {
                let language = audio.language.clone();
                let media = Media::Audio { channels: audio.channels, sample_rate: None, language };
                (media, audio.codecs.clone(), audio.bandwidth)
            }
            _ => continue,
        };
        if !is_from_start {
            listed_from = listed_from.max(view.playlist.media_sequence());
        }
        let segments = spans(&rack.past, &view.playlist);
        tracks.push(Track { name: rack.name.clone(), media, codecs, bandwidth, segments });
    }
    let presentation = Presentation::Live {
        available_from_ms: available_from_ms(shelf.info.stream_id),
        listed_from,
        is_over: shelf.stage() == Stage::Ended,
        clock_url: CLOCK_URL.to_owned(),
    };
    let base = format!("{}/", shelf.info.stream_id);
    let text = Mpd { presentation, target_duration_s: shelf.target_duration_s, base, tracks }.render(query)?;
    let etag = hex::encode(&Sha256::digest(text.as_bytes())[..12]);
    let page = Arc::new(Page { version, gzip: gzip(text.as_bytes()), plain: text.into(), etag });
    if query.is_empty() {
        let mut slots = shelf.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        slots[usize::from(is_from_start)] = Some(Arc::clone(&page));
    }
    Some(page)
}

/// The segments of a rendition, from the stream's beginning: what a period is called depends on its first.
fn spans(past: &Past, playlist: &MediaPlaylist) -> Vec<Span> {
    let earlier = past.lines_before(playlist);
    earlier.iter().chain(playlist.segments()).map(span).collect()
}

fn span(line: &SegmentLine) -> Span {
    Span {
        msn: line.start.msn,
        starts_at_us: line.start.starts_at_us.filter(|_| !line.tail.is_gap),
        duration_us: (line.tail.duration_s * 1e6).round() as i64,
        init: line.start.init,
        is_discontinuity: line.start.is_discontinuity,
        date_ms: line.start.program_date_time_ms,
    }
}

/// The same on every node and at every moment: ids tell when they were made (RFC 9562 5.7).
fn available_from_ms(stream_id: StreamId) -> i64 {
    let made_ms = i64::try_from(stream_id.as_uuid().as_u128() >> 80).unwrap_or(0);
    (made_ms - BEFORE_ID_MS).max(0)
}

pub(crate) fn reply(page: &Page, request: &HeaderMap, target_s: u32) -> Response {
    let is_gzip = takes_gzip(request);
    let etag = if is_gzip { format!("\"{}-gz\"", page.etag) } else { format!("\"{}\"", page.etag) };
    let is_known = is_unchanged(request, &etag);
    let body = match (is_known, is_gzip) {
        (true, _) => Bytes::new(),
        (false, true) => page.gzip.clone(),
        (false, false) => page.plain.clone(),
    };
    let mut response = Response::new(Body::from(body));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
    headers.insert(CACHE_CONTROL, Life::Playlist { target_s }.header());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    if is_gzip && !is_known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
