//! The origin: LL-HLS from memory, for viewers and for `api` nodes.
//!
//! Owns the URLs below `/live/`, blocking, ranges, compression and lifetimes. What there is to serve is hung out by the
//! streams' own tasks ([`shelf`]); nothing here writes.

pub(crate) mod body;
pub(crate) mod cold;
pub(crate) mod manifest;
pub(crate) mod past;
pub(crate) mod reply;
pub(crate) mod server;
pub(crate) mod shelf;
pub(crate) mod vault;
pub(crate) mod wait;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use domain::StreamId;
use domain::user::Username;
use futures::FutureExt;
use futures::future::BoxFuture;
use kit::edge::{EdgePass, STREAM_HEADER};
use kit::negotiation::takes_gzip;
use kit::origin::{Asked, LocalOrigin};
use live::playback::{Gate, Verdict, argument};
use media::playlist::directives::{BadQuery, Directives};
use media::playlist::uri::{self, MediaFile};
use objects::{Objects, keys};

use reply::{Life, problem};
use shelf::{Content, Found, FromStart, Index, Rack, Rendering, Shelf, Stage};
use wait::{NoAnswer, Waiters};

/// Who asks.
#[derive(Debug, Clone, Copy)]
struct Client {
    /// A viewer's address, as the server that terminated the connection knows it.
    ip: Option<IpAddr>,
    /// An edge of this site, which judges its viewers itself.
    is_edge: bool,
    /// The stream that edge judged them for.
    judged: Option<StreamId>,
}

#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) index: Arc<Index>,
    pub(crate) waiters: Arc<Waiters>,
    /// Where segments are that have left the live window.
    pub(crate) objects: Objects,
    pub(crate) gate: Gate,
}

/// The origin as other nodes reach it.
#[derive(Debug, Clone)]
struct Outpost {
    origin: Arc<Origin>,
    pass: EdgePass,
}

/// The routes for `api` nodes: each names its viewer in `X-Forwarded-For`, or shows the pass and asks for all of its viewers.
pub(crate) fn router(origin: Arc<Origin>, pass: EdgePass) -> Router {
    Router::new().route("/live/{*path}", get(for_node).options(preflight)).with_state(Outpost { origin, pass })
}

async fn for_node(State(outpost): State<Outpost>, Path(path): Path<String>, request: Request) -> Response {
    let headers = request.headers();
    let client = Client {
        ip: forwarded_for(headers),
        is_edge: outpost.pass.is_shown(headers),
        judged: headers.get(STREAM_HEADER).and_then(|value| value.to_str().ok()?.parse().ok()),
    };
    let query = request.uri().query();
    let is_personal = argument(query, kit::playback::ARGUMENT).is_some();
    let response = outpost.origin.serve(&Ask { path: &path, query, headers, client }).await;
    if is_personal { reply::for_one_viewer(response) } else { reply::open_to_all_sites(response) }
}

async fn preflight() -> Response {
    count("preflight", StatusCode::NO_CONTENT);
    reply::open_to_all_sites(reply::preflight())
}

/// Without the header it is a node asking for itself (an edge that fans out): it is not a viewer to be limited.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let forwarded = headers.get("x-forwarded-for")?.to_str().ok()?;
    forwarded.rsplit(',').next()?.trim().parse().ok()
}

impl LocalOrigin for Origin {
    fn answer<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Response> {
        let Asked { path, query, headers, viewer } = asked;
        let client = Client { ip: viewer, is_edge: false, judged: None };
        async move { self.serve(&Ask { path, query, headers, client }).await }.boxed()
    }
}

/// A GET below `/live/`.
struct Ask<'a> {
    path: &'a str,
    query: Option<&'a str>,
    headers: &'a HeaderMap,
    client: Client,
}

fn count(kind: &'static str, status: StatusCode) {
    let class = match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("rillcast_origin_requests_total", "kind" => kind, "status" => class).increment(1);
}

impl Origin {
    async fn serve(&self, ask: &Ask<'_>) -> Response {
        let mut names = ask.path.split('/');
        let name = names.next().and_then(|name| Username::parse(name).ok());
        let (kind, response) = match (names.next(), names.next(), names.next(), names.next()) {
            (Some("index.m3u8"), None, ..) => ("multivariant", self.multivariant(name, ask)),
            (Some("index.mpd"), None, ..) => ("manifest", self.mpd(name, ask)),
            (Some("thumbnail.jpg"), None, ..) => ("thumbnail", self.thumbnail(name, ask)),
            (Some(stream), Some(rendition), Some(file), None) => {
                (kind_of(file), self.file(name, stream, rendition, file, ask).await)
            }
            _ => ("other", offline(1)),
        };
        count(kind, response.status());
        response
    }
}

fn kind_of(file: &str) -> &'static str {
    match file.split_once('.').map(|(stem, _)| stem.trim_end_matches(|c: char| c.is_ascii_digit())) {
        Some("index" | "iframes") => "playlist",
        Some("part") => "part",
        Some("seg") => "segment",
        Some("init") => "init",
        _ => "other",
    }
}

impl Origin {
    fn multivariant(&self, name: Option<Username>, ask: &Ask<'_>) -> Response {
        let shelf = match self.channel(name, ask) {
            Ok(shelf) => shelf,
            Err(refusal) => return *refusal,
        };
        match (shelf.stage(), shelf.multivariant()) {
            (Stage::Live, Some(playlist)) => {
                let text = playlist.render(ask.query.unwrap_or_default());
                let is_gzip = takes_gzip(ask.headers);
                let body = if is_gzip { shelf::gzip(text.as_bytes()) } else { text.into() };
                reply::playlist(body, is_gzip, Life::Playlist { target_s: shelf.target_duration_s })
            }
            (Stage::Ended, _) => offline(shelf.target_duration_s),
            _ => problem(
                StatusCode::NOT_FOUND,
                "stream.starting",
                "the broadcaster is connected; the first picture has not arrived",
                1,
            ),
        }
    }

    /// MPEG-DASH of the same segments.
    fn mpd(&self, name: Option<Username>, ask: &Ask<'_>) -> Response {
        let shelf = match self.channel(name, ask) {
            Ok(shelf) => shelf,
            Err(refusal) => return *refusal,
        };
        let directives = match Directives::parse(ask.query) {
            Ok(directives) => directives,
            Err(error) => return bad_query(&error),
        };
        match manifest::of(&shelf, directives.is_from_start, &directives.for_media) {
            Some(page) => manifest::reply(&page, ask.headers, shelf.target_duration_s),
            None if shelf.stage() == Stage::Ended => offline(shelf.target_duration_s),
            None => problem(StatusCode::NOT_FOUND, "stream.starting", "the first segment is not finished yet", 1),
        }
    }

    /// What a channel airs, for those who may see it.
    fn channel(&self, name: Option<Username>, ask: &Ask<'_>) -> Result<Arc<Shelf>, Box<Response>> {
        let shelf = name.and_then(|name| self.index.of_channel(&name)).ok_or_else(|| Box::new(offline(1)))?;
        match self.judge(&shelf, ask, false) {
            Verdict::Granted => Ok(shelf),
            Verdict::Hidden => Err(Box::new(offline(1))),
            Verdict::Over => Err(Box::new(over())),
        }
    }

    fn thumbnail(&self, name: Option<Username>, ask: &Ask<'_>) -> Response {
        let Some(shelf) = name.and_then(|name| self.index.of_channel(&name)) else { return not_found(1) };
        match self.judge(&shelf, ask, false) {
            Verdict::Granted => {}
            Verdict::Hidden => return not_found(1),
            Verdict::Over => return over(),
        }
        match Some(shelf).filter(|shelf| shelf.stage() == Stage::Live).and_then(|shelf| shelf.thumbnail()) {
            Some(jpeg) => reply::picture(jpeg),
            None => not_found(1),
        }
    }

    async fn file(&self, name: Option<Username>, stream: &str, rendition: &str, file: &str, ask: &Ask<'_>) -> Response {
        let shelf = name.and_then(|name| self.index.of_stream(&name, stream.parse().ok()?));
        let Some(shelf) = shelf else { return not_found(1) };
        match self.judge(&shelf, ask, true) {
            Verdict::Granted => {}
            Verdict::Hidden => return not_found(1),
            Verdict::Over => return over(),
        }
        let Some(rack) = shelf.rack(rendition) else { return not_found(1) };
        let request = Wanted { origin: self, shelf: &shelf, rack: &rack, ip: ask.client.ip, headers: ask.headers };
        match (file, uri::parse(file)) {
            (uri::PLAYLIST, _) => request.playlist(ask.query).await,
            (uri::IFRAMES, _) => request.iframes(ask.query).await,
            (_, Some(MediaFile::Init(number))) => request.init(number).await,
            (_, Some(MediaFile::Segment(msn))) => request.segment(msn).await,
            (_, Some(MediaFile::Part(msn, index))) => request.part(msn, index).await,
            (_, None) => not_found(shelf.target_duration_s),
        }
    }

    /// Whether a stream's media is given out. `is_named`: the path names the stream by its id.
    fn judge(&self, shelf: &Shelf, ask: &Ask<'_>, is_named: bool) -> Verdict {
        if ask.client.is_edge {
            let is_meant = ask.client.judged.is_none_or(|stream| stream == shelf.info.stream_id);
            return if is_meant { Verdict::Granted } else { Verdict::Hidden };
        }
        self.gate.judge_stream(shelf.info.stream_id, shelf.visibility(), || is_named, ask.query)
    }
}

/// A request for something of one rendition.
struct Wanted<'a> {
    origin: &'a Origin,
    shelf: &'a Shelf,
    rack: &'a Rack,
    ip: Option<IpAddr>,
    headers: &'a HeaderMap,
}

impl Wanted<'_> {
    async fn playlist(&self, query: Option<&str>) -> Response {
        let directives = match Directives::parse(query) {
            Ok(directives) => directives,
            Err(error) => return bad_query(&error),
        };
        let target_s = self.shelf.target_duration_s;
        let now = self.rack.view();
        let (view, life) = match directives.target {
            None => (now, Life::Playlist { target_s }),
            Some(target) if wait::is_too_far(&now, target) => {
                return problem(
                    StatusCode::BAD_REQUEST,
                    "hls.too-far-ahead",
                    "_HLS_msn or _HLS_part is too far ahead",
                    0,
                );
            }
            Some(target) => {
                // Who asks for what is long there gets today's playlist, which tomorrow's cache should not.
                let is_stale = target.msn + 1 < now.open_msn || now.playlist.is_ended();
                drop(now);
                let life = if is_stale { Life::Playlist { target_s } } else { Life::Blocking { target_s } };
                let reached = self.wait(|view| wait::has_reached(view, target)).await;
                match reached {
                    Ok(view) => (view, life),
                    Err(answer) => return answer,
                }
            }
        };
        if view.playlist.media_sequence() == view.open_msn && view.open_parts.is_empty() && !view.playlist.is_ended() {
            return problem(StatusCode::NOT_FOUND, "stream.starting", "nothing of this rendition is there yet", 1);
        }
        let gzip = takes_gzip(self.headers);
        let text = if directives.is_from_start {
            let which = if directives.skip { FromStart::Delta } else { FromStart::Whole };
            view.text_from_start(&self.rack.past, which, gzip, &directives.for_media)
        } else {
            view.text(Rendering { skip: directives.skip, gzip }, &directives.for_media)
        };
        reply::playlist(text, gzip, life)
    }

    /// Key frames. The multivariant playlist names them before the first segment is finished; who is so early waits for it.
    async fn iframes(&self, query: Option<&str>) -> Response {
        let is_there = |view: &shelf::View| view.playlist.last_msn().is_some() || view.playlist.is_ended();
        let view = match self.wait(is_there).await {
            Ok(view) => view,
            Err(answer) => return answer,
        };
        if view.playlist.segments().all(|line| line.tail.iframe_len.is_none()) {
            return not_found(self.shelf.target_duration_s);
        }
        let directives = match Directives::parse(query) {
            Ok(directives) => directives,
            Err(error) => return bad_query(&error),
        };
        let is_gzip = takes_gzip(self.headers);
        let body = if directives.is_from_start {
            view.text_from_start(&self.rack.past, FromStart::IFrames, is_gzip, &directives.for_media)
        } else {
            let text = view.playlist.render_iframes(&directives.for_media);
            if is_gzip { shelf::gzip(text.as_bytes()) } else { text.into() }
        };
        reply::playlist(body, is_gzip, Life::Playlist { target_s: self.shelf.target_duration_s })
    }

    async fn init(&self, number: u32) -> Response {
        match self.rack.view().init(number) {
            Some(bytes) => reply::media(Content::Memory(vec![bytes.clone()]), self.headers).await,
            None if self.rack.past.has_init(number) => {
                let key = keys::vod_init(self.shelf.info.vod_id, &self.rack.name, number);
                vault::media(&self.origin.objects, &key, self.headers).await
            }
            None => not_found(self.shelf.target_duration_s),
        }
    }

    async fn segment(&self, msn: u64) -> Response {
        let near = self.rack.view().segment(msn).cloned().filter(|segment| segment.part_count() > 0);
        match near.or_else(|| self.rack.past.segment(msn)) {
            Some(segment) => reply::media(segment.content(), self.headers).await,
            None if self.rack.past.is_listed(msn) => {
                let key = keys::vod_segment(self.shelf.info.vod_id, &self.rack.name, msn);
                vault::media(&self.origin.objects, &key, self.headers).await
            }
            None => not_found(self.shelf.target_duration_s),
        }
    }

    /// A part; one that is hinted is waited for.
    async fn part(&self, msn: u64, index: u32) -> Response {
        let found = match self.rack.view().part(msn, index) {
            Found::Soon => match self.wait(|view| view.part(msn, index) != Found::Soon).await {
                Ok(view) => view.part(msn, index),
                Err(answer) => return answer,
            },
            found => found,
        };
        match found {
            Found::Here(content) => reply::media(content, self.headers).await,
            Found::Soon | Found::Never => not_found(self.shelf.target_duration_s),
        }
    }

    async fn wait(&self, is_there: impl Fn(&shelf::View) -> bool) -> Result<Arc<shelf::View>, Response> {
        let waiters = &self.origin.waiters;
        waiters.until(self.shelf, self.rack, self.ip, is_there).await.map_err(|error| {
            let (status, code) = match error {
                NoAnswer::Late => (StatusCode::SERVICE_UNAVAILABLE, "hls.late"),
                NoAnswer::StreamFull => (StatusCode::SERVICE_UNAVAILABLE, "hls.busy"),
                NoAnswer::AddressFull => (StatusCode::TOO_MANY_REQUESTS, "hls.too-many-waiting"),
            };
            problem(status, code, &error.to_string(), 0)
        })
    }
}

/// Told only to those who were given a token for this very stream.
fn over() -> Response {
    problem(StatusCode::FORBIDDEN, "playback.over", "the permission to play this has ended; ask for a new one", 0)
}

fn bad_query(error: &BadQuery) -> Response {
    problem(StatusCode::BAD_REQUEST, "hls.bad-query", &error.to_string(), 0)
}

fn offline(max_age_s: u32) -> Response {
    problem(StatusCode::NOT_FOUND, "stream.offline", "this channel is not on air", max_age_s)
}

fn not_found(max_age_s: u32) -> Response {
    problem(StatusCode::NOT_FOUND, "not-found", "there is nothing here, or not any more", max_age_s)
}
