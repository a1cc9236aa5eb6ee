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

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use domain::StreamId;
use domain::user::Username;
use kit::edge::{EdgePass, STREAM_HEADER};
use kit::negotiation::takes_gzip;
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
    /// A viewer's address, as the server that terminated the connection knows it. `api` puts it into the request.
    ip: Option<IpAddr>,
    /// An edge of this site, which judges its viewers itself.
    is_edge: bool,
    /// The stream that edge judged them for.
    judged: Option<StreamId>,
}

#[derive(Debug, Clone)]
struct Origin {
    index: Arc<Index>,
    waiters: Arc<Waiters>,
    /// Where segments are that have left the live window.
    objects: Objects,
    gate: Gate,
    /// Given to the router that `api` nodes reach: it believes their `X-Forwarded-For`.
    pass: Option<EdgePass>,
}

/// The routes. With a `pass`, requests come from `api` nodes: each names its viewer in `X-Forwarded-For`, or shows the pass and asks
/// for all of its viewers.
///
/// A server that mounts the router itself should put the viewer's `std::net::IpAddr` into the request's extensions;
/// otherwise its `ConnectInfo<SocketAddr>` is used.
pub(crate) fn router(
    index: Arc<Index>,
    waiters: Arc<Waiters>,
    objects: Objects,
    gate: Gate,
    pass: Option<EdgePass>,
) -> Router {
    let origin = Origin { index, waiters, objects, gate, pass };
    Router::new()
        .route("/live/{username}/index.m3u8", get(multivariant).options(preflight))
        .route("/live/{username}/index.mpd", get(mpd).options(preflight))
        .route("/live/{username}/thumbnail.jpg", get(thumbnail).options(preflight))
        .route("/live/{username}/{stream}/{rendition}/{file}", get(file).options(preflight))
        .layer(middleware::from_fn_with_state(origin.clone(), around))
        .with_state(origin)
}

/// Everything about a request that does not depend on its URL.
async fn around(State(origin): State<Origin>, mut request: Request, next: Next) -> Response {
    let is_edge = origin.pass.as_ref().is_some_and(|pass| pass.is_shown(request.headers()));
    let ip = client_of(&request, origin.pass.is_some());
    let judged = request.headers().get(STREAM_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    request.extensions_mut().insert(Client { ip, is_edge, judged });
    let kind = kind_of(request.method(), request.uri().path());
    let is_personal = argument(request.uri().query(), kit::playback::ARGUMENT).is_some();
    let response = next.run(request).await;
    let class = match response.status().as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    metrics::counter!("rillcast_origin_requests_total", "kind" => kind, "status" => class).increment(1);
    if is_personal { reply::for_one_viewer(response) } else { reply::open_to_all_sites(response) }
}

fn client_of(request: &Request, is_behind_nodes: bool) -> Option<IpAddr> {
    if is_behind_nodes {
        // Without the header it is a node asking for itself (an edge that fans out): it is not a viewer to be limited.
        let forwarded = request.headers().get("x-forwarded-for")?.to_str().ok()?;
        return forwarded.rsplit(',').next()?.trim().parse().ok();
    }
    let told = request.extensions().get::<IpAddr>().copied();
    told.or_else(|| request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip()))
}

fn kind_of(method: &Method, path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.split_once('.').map(|(stem, _)| stem.trim_end_matches(|c: char| c.is_ascii_digit())) {
        _ if method == Method::OPTIONS => "preflight",
        Some("index" | "iframes") if path.matches('/').count() > 3 => "playlist",
        Some("index") if path.ends_with(".mpd") => "manifest",
        Some("index") => "multivariant",
        Some("part") => "part",
        Some("seg") => "segment",
        Some("init") => "init",
        Some("thumbnail") => "thumbnail",
        _ => "other",
    }
}

async fn preflight() -> Response {
    reply::preflight()
}

async fn multivariant(
    State(origin): State<Origin>,
    Path(username): Path<String>,
    axum::Extension(client): axum::Extension<Client>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(shelf) = Username::parse(&username).ok().and_then(|name| origin.index.of_channel(&name)) else {
        return offline(1);
    };
    match origin.judge(&shelf, client, false, query.as_deref()) {
        Verdict::Granted => {}
        Verdict::Hidden => return offline(1),
        Verdict::Over => return over(),
    }
    match (shelf.stage(), shelf.multivariant()) {
        (Stage::Live, Some(playlist)) => {
            let text = playlist.render(query.as_deref().unwrap_or_default());
            let is_gzip = takes_gzip(&headers);
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
async fn mpd(
    State(origin): State<Origin>,
    Path(username): Path<String>,
    axum::Extension(client): axum::Extension<Client>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(shelf) = Username::parse(&username).ok().and_then(|name| origin.index.of_channel(&name)) else {
        return offline(1);
    };
    match origin.judge(&shelf, client, false, query.as_deref()) {
        Verdict::Granted => {}
        Verdict::Hidden => return offline(1),
        Verdict::Over => return over(),
    }
    let directives = match Directives::parse(query.as_deref()) {
        Ok(directives) => directives,
        Err(error) => return bad_query(&error),
    };
    match manifest::of(&shelf, directives.is_from_start, &directives.for_media) {
        Some(page) => manifest::reply(&page, &headers, shelf.target_duration_s),
        None if shelf.stage() == Stage::Ended => offline(shelf.target_duration_s),
        None => problem(StatusCode::NOT_FOUND, "stream.starting", "the first segment is not finished yet", 1),
    }
}

async fn thumbnail(
    State(origin): State<Origin>,
    Path(username): Path<String>,
    axum::Extension(client): axum::Extension<Client>,
    RawQuery(query): RawQuery,
) -> Response {
    let shelf = Username::parse(&username).ok().and_then(|name| origin.index.of_channel(&name));
    match shelf.as_ref().map(|shelf| origin.judge(shelf, client, false, query.as_deref())) {
        Some(Verdict::Granted) => {}
        Some(Verdict::Hidden) | None => return not_found(1),
        Some(Verdict::Over) => return over(),
    }
    match shelf.filter(|shelf| shelf.stage() == Stage::Live).and_then(|shelf| shelf.thumbnail()) {
        Some(jpeg) => reply::picture(jpeg),
        None => not_found(1),
    }
}

async fn file(
    State(origin): State<Origin>,
    Path((username, stream, rendition, file)): Path<(String, String, String, String)>,
    axum::Extension(client): axum::Extension<Client>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let shelf = Username::parse(&username).ok().and_then(|name| origin.index.of_stream(&name, stream.parse().ok()?));
    match shelf.as_ref().map(|shelf| origin.judge(shelf, client, true, query.as_deref())) {
        Some(Verdict::Granted) => {}
        Some(Verdict::Hidden) | None => return not_found(1),
        Some(Verdict::Over) => return over(),
    }
    let Some((shelf, rack)) = shelf.and_then(|shelf| Some((shelf.clone(), shelf.rack(&rendition)?))) else {
        return not_found(1);
    };
    let request = Wanted { origin: &origin, shelf: &shelf, rack: &rack, ip: client.ip, headers: &headers };
    match file.as_str() {
        uri::PLAYLIST => request.playlist(query.as_deref()).await,
        uri::IFRAMES => request.iframes(query.as_deref()).await,
        name => match uri::parse(name) {
            Some(MediaFile::Init(number)) => match rack.view().init(number) {
                Some(bytes) => reply::media(Content::Memory(vec![bytes.clone()]), &headers).await,
                None if rack.past.has_init(number) => {
                    vault::media(&origin.objects, &keys::vod_init(shelf.info.vod_id, &rack.name, number), &headers)
                        .await
                }
                None => not_found(shelf.target_duration_s),
            },
            Some(MediaFile::Segment(msn)) => {
                let near = rack.view().segment(msn).cloned().filter(|segment| segment.part_count() > 0);
                match near.or_else(|| rack.past.segment(msn)) {
                    Some(segment) => reply::media(segment.content(), &headers).await,
                    None if rack.past.is_listed(msn) => {
                        let key = keys::vod_segment(shelf.info.vod_id, &rack.name, msn);
                        vault::media(&origin.objects, &key, &headers).await
                    }
                    None => not_found(shelf.target_duration_s),
                }
            }
            Some(MediaFile::Part(msn, index)) => request.part(msn, index).await,
            None => not_found(shelf.target_duration_s),
        },
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

impl Origin {
    /// Whether a stream's media is given out. `is_named`: the path names the stream by its id.
    fn judge(&self, shelf: &Shelf, client: Client, is_named: bool, query: Option<&str>) -> Verdict {
        if client.is_edge {
            let is_meant = client.judged.is_none_or(|stream| stream == shelf.info.stream_id);
            return if is_meant { Verdict::Granted } else { Verdict::Hidden };
        }
        self.gate.judge_stream(shelf.info.stream_id, shelf.visibility(), || is_named, query)
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
