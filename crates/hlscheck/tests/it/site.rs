//! A server of one endless stream, drawn from the clock: segments of a second, parts of a quarter.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

const PARTS: u64 = 4;
const PART_MS: u64 = 1_000 / PARTS;
/// Segments listed, and segments published before the first request.
const WINDOW: u64 = 12;
const BEGUN: u64 = 20;
const NON_SYNC: u32 = 0x0001_0000;

/// A way to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    PlaylistType,
    BlockingNotCached,
    HoldBackShort,
    TargetGrows,
    DatesMove,
    PartTimeOff,
    BadNumbersTaken,
    NotBlocked,
    DeltaLies,
    HintLies,
    RemovedGone,
    QueryLost,
}

#[derive(Debug)]
struct Stream {
    began: Instant,
    faults: Vec<Fault>,
}

/// The server; gone when dropped.
pub struct Site {
    address: String,
    _tasks: JoinSet<()>,
}

impl Site {
    pub async fn start(faults: &[Fault]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let stream = Arc::new(Stream { began: Instant::now(), faults: faults.to_vec() });
        let app = Router::new()
            .route("/live/index.m3u8", get(|state, query| async { multivariant(state, query, true) }))
            .route("/vod/index.m3u8", get(recording))
            .route("/vod/{file}", get(|state, Path(file): Path<String>, headers| media(state, file, headers)))
            .route("/stuck/index.m3u8", get(|state, query| async { multivariant(state, query, false) }))
            .route("/stuck/{rendition}/index.m3u8", get(std::future::pending::<Response>))
            .route("/live/{rendition}/index.m3u8", get(playlist))
            .route("/live/{rendition}/iframes.m3u8", get(iframes))
            .route(
                "/live/{rendition}/{file}",
                get(|state, Path((_, file)): Path<(String, String)>, headers| media(state, file, headers)),
            )
            .with_state(stream);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            axum::serve(listener, app).await.expect("serves");
        });
        Self { address, _tasks: tasks }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

impl Stream {
    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Parts published so far, counted from the beginning of segment 0.
    fn published(&self) -> u64 {
        BEGUN * PARTS + self.began.elapsed().as_millis() as u64 / PART_MS
    }

    /// Waits until so many parts are published.
    async fn until(&self, parts: u64) {
        sleep_until(self.began + Duration::from_millis(parts.saturating_sub(BEGUN * PARTS) * PART_MS)).await;
    }

    fn text(&self, rendition: &str, published: u64, skip: bool) -> String {
        let (open, parts) = (published / PARTS, published % PARTS);
        let first = open - WINDOW;
        let hold_back = if self.has(Fault::HoldBackShort) { 0.6 } else { 0.75 };
        let target = if self.has(Fault::TargetGrows) && open > BEGUN + 1 { 2 } else { 1 };
        let mut out = format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{target}\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,HOLD-BACK=3.0,PART-HOLD-BACK={hold_back}\n\
             #EXT-X-PART-INF:PART-TARGET=0.25\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n"
        );
        let mut from = first;
        if skip {
            from += WINDOW - 7;
            let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}", WINDOW - 7);
        } else {
            out.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
        }
        for msn in from..open {
            put_date(&mut out, msn, if self.has(Fault::DatesMove) { published % 10 } else { 0 });
            if msn + 3 >= open {
                put_parts(&mut out, msn, PARTS);
            }
            let title = if skip && self.has(Fault::DeltaLies) { "other" } else { "" };
            let _ = writeln!(out, "#EXTINF:1.000,{title}\nseg{msn}.m4s");
        }
        if parts > 0 {
            put_date(&mut out, open, 0);
            put_parts(&mut out, open, parts);
        }
        let other = if rendition == "a" { "b" } else { "a" };
        let newest = published - 1;
        let _ = writeln!(
            out,
            "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"seg{open}.{parts}.m4s\"\n\
             #EXT-X-RENDITION-REPORT:URI=\"../{other}/index.m3u8\",LAST-MSN={},LAST-PART={}",
            newest / PARTS,
            newest % PARTS
        );
        out
    }
}

fn put_date(out: &mut String, msn: u64, off_ms: u64) {
    let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:{:02}:{:02}.{off_ms:03}Z", msn / 60, msn % 60);
}

fn put_parts(out: &mut String, msn: u64, count: u64) {
    for index in 0..count {
        let independent = if index == 0 { ",INDEPENDENT=YES" } else { "" };
        let _ = writeln!(out, "#EXT-X-PART:DURATION=0.250,URI=\"seg{msn}.{index}.m4s\"{independent}");
    }
}

fn multivariant(State(stream): State<Arc<Stream>>, RawQuery(query): RawQuery, has_iframes: bool) -> Response {
    let query = query.filter(|_| !stream.has(Fault::QueryLost)).map_or(String::new(), |query| format!("?{query}"));
    let mut text = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    for name in ["a", "b"] {
        let _ = writeln!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH=100000,AVERAGE-BANDWIDTH=100000,CODECS=\"avc1.64001f\",\
             RESOLUTION=1280x720,FRAME-RATE=25.000\n{name}/index.m3u8{query}"
        );
    }
    if has_iframes {
        let _ = writeln!(
            text,
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9000,CODECS=\"avc1.64001f\",URI=\"a/iframes.m3u8{query}\""
        );
    }
    answer(&stream, text, false)
}

async fn playlist(
    State(stream): State<Arc<Stream>>,
    Path(rendition): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let directive = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let (msn, part) = (directive("_HLS_msn"), directive("_HLS_part"));
    let is_number = |text: Option<&str>| text.is_none_or(|text| text.parse::<u64>().is_ok());
    let is_bad = !is_number(msn) || !is_number(part) || (msn.is_none() && part.is_some());
    if is_bad && !stream.has(Fault::BadNumbersTaken) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let mut published = stream.published();
    let msn = msn.and_then(|msn| msn.parse::<u64>().ok());
    if let Some(msn) = msn.filter(|_| !stream.has(Fault::NotBlocked)) {
        if msn > published / PARTS + 2 {
            return StatusCode::BAD_REQUEST.into_response();
        }
        let part = part.and_then(|part| part.parse::<u64>().ok()).unwrap_or(PARTS - 1);
        let wanted = msn * PARTS + part + 1;
        stream.until(wanted).await;
        published = published.max(wanted);
    }
    let text = stream.text(&rendition, published, directive("_HLS_skip") == Some("YES"));
    answer(&stream, text, msn.is_some())
}

async fn iframes(State(stream): State<Arc<Stream>>) -> Response {
    let open = stream.published() / PARTS;
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"init.mp4\"\n",
        open - WINDOW
    );
    for msn in open - WINDOW..open {
        put_date(&mut text, msn, 0);
        let _ = writeln!(text, "#EXTINF:1.000,\n#EXT-X-BYTERANGE:100@0\nseg{msn}.m4s");
    }
    answer(&stream, text, false)
}

async fn recording(State(stream): State<Arc<Stream>>) -> Response {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                    #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n"
        .to_owned();
    for msn in 0..BEGUN {
        let _ = writeln!(text, "#EXTINF:1.000,\nseg{msn}.m4s");
    }
    answer(&stream, text + "#EXT-X-ENDLIST\n", false)
}

fn answer(stream: &Stream, text: String, is_blocking: bool) -> Response {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).expect("packs");
    let kind = if stream.has(Fault::PlaylistType) { "text/plain" } else { "application/vnd.apple.mpegurl" };
    let cache = match is_blocking {
        true if stream.has(Fault::BlockingNotCached) => "no-store",
        true => "public, max-age=6",
        false => "no-cache",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_ENCODING, "gzip"),
        (header::VARY, "Accept-Encoding"),
        (header::CACHE_CONTROL, cache),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, packer.finish().expect("packs")).into_response()
}

async fn media(State(stream): State<Arc<Stream>>, file: String, headers: HeaderMap) -> Response {
    let Some(bytes) = file_bytes(&stream, &file).await else {
        return (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "max-age=1")]).into_response();
    };
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok()?.strip_prefix("bytes="));
    let mut response = match range.and_then(|range| range.split_once('-')) {
        None => Response::new(Body::from(bytes)),
        Some((from, to)) => {
            let (from, length) = (from.parse::<usize>().unwrap_or(0), bytes.len());
            let to = to.parse::<usize>().unwrap_or(usize::MAX).min(length - 1);
            if from >= length {
                return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            }
            let place = format!("bytes {from}-{to}/{length}");
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, place)], bytes[from..=to].to_vec()).into_response()
        }
    };
    for (name, value) in [
        (header::CONTENT_TYPE, "video/mp4"),
        (header::CACHE_CONTROL, "max-age=31536000, immutable"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        response.headers_mut().insert(name, value.parse().expect("a value"));
    }
    response
}

/// `init.mp4`, `seg7.m4s` or `seg7.2.m4s`; what is not published yet is waited for.
async fn file_bytes(stream: &Stream, file: &str) -> Option<Vec<u8>> {
    if file == "init.mp4" {
        return Some(init());
    }
    let name = file.strip_prefix("seg")?.strip_suffix(".m4s")?;
    let numbers: Option<Vec<u64>> = name.split('.').map(|number| number.parse().ok()).collect();
    let (msn, part) = match numbers?.as_slice() {
        [msn] => (*msn, None),
        [msn, part] => (*msn, Some(*part)),
        _ => return None,
    };
    let wanted = msn * PARTS + part.unwrap_or(PARTS - 1) + 1;
    if wanted > stream.published() + PARTS {
        return None;
    }
    if stream.has(Fault::RemovedGone) && (1..stream.published() / PARTS - WINDOW).contains(&msn) {
        return None;
    }
    let is_early = wanted > stream.published();
    stream.until(wanted).await;
    Some(match part {
        Some(part) => fragment(stream, msn, part, is_early && stream.has(Fault::HintLies)),
        None => (0..PARTS).flat_map(|part| fragment(stream, msn, part, false)).collect(),
    })
}

fn entry(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// One video track with 1,000 ticks a second.
fn init() -> Vec<u8> {
    let tkhd = entry(b"tkhd", &words(&[0, 0, 0, 1, 0, 0]));
    let mdhd = entry(b"mdhd", &words(&[0, 0, 0, 1_000, 0, 0]));
    let hdlr = entry(b"hdlr", &[&words(&[0, 0])[..], b"vide", &words(&[0, 0, 0])].concat());
    let mdia = entry(b"mdia", &[mdhd, hdlr].concat());
    let trak = entry(b"trak", &[tkhd, mdia].concat());
    let trex = entry(b"trex", &words(&[0, 1, 1, 0, 0, 0]));
    entry(b"moov", &[trak, entry(b"mvex", &trex)].concat())
}

/// Five frames of 50 ms; the first of a segment is a key frame.
fn fragment(stream: &Stream, msn: u64, part: u64, is_other: bool) -> Vec<u8> {
    let off = if stream.has(Fault::PartTimeOff) && part == 2 { 20 } else { 0 };
    let at = (msn * 1_000 + part * PART_MS) as u32 + off;
    let tfhd = entry(b"tfhd", &words(&[0x28, 1, 50, NON_SYNC]));
    let tfdt = entry(b"tfdt", &words(&[0, at]));
    let trun = entry(b"trun", &words(&[0x4, 5, if part == 0 { 0 } else { NON_SYNC }]));
    let moof = entry(b"moof", &entry(b"traf", &[tfhd, tfdt, trun].concat()));
    [moof, entry(b"mdat", format!("{msn} {part} {is_other}").as_bytes())].concat()
}
