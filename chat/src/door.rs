//! The way in, to sockets and to feeds: which HTTP requests are ours, who may come, and the WebSocket upgrade.
//!
//! The Socket.IO library would upgrade by itself; done here, every WebSocket is [`Guarded`] and counted before the library
//! sees it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use domain::Kind;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use kit::net::{TrustedProxies, limit_key};
use kit::{Problem, Stop};
use socketioxide::service::SocketIoService;
use socketioxide::socket::Sid;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service, ServiceExt};

use crate::feeds;
use crate::gateway::Gateway;
use crate::greeting::{Greeting, session_of};
use crate::guarded::Guarded;
use crate::limits::{GREETING_WAIT_MAX, MESSAGE_BYTES_MAX, POST_WAIT_MAX, UPGRADE_WAIT_MAX};
use crate::line::{Line, Slots};
use crate::origin::{Origins, Visit};
use crate::registry::Registry;
use crate::wire::Wire;

pub(crate) const PATH: &str = "/socket.io";

type Io = SocketIoService<NotOurs>;

/// What stands behind the Socket.IO service: nothing, since only its own path is sent there.
#[derive(Debug, Clone)]
pub(crate) struct NotOurs;

impl Service<Request<Body>> for NotOurs {
    type Response = Response;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Problem::not_found().into_response()))
    }
}

/// Everything the way in needs.
pub(crate) struct Door {
    pub io: Io,
    /// For feeds; without one there are none.
    pub gateway: Option<Arc<Gateway>>,
    pub origins: Origins,
    pub proxies: TrustedProxies,
    pub slots: Arc<Slots>,
    pub registry: Arc<Registry>,
    pub tracker: TaskTracker,
    pub stop: Stop,
}

/// Puts the gateway in front of a router: `/socket.io/` and `GET /api/v1/events` are ours, the rest passes.
#[derive(Clone)]
pub struct ChatLayer {
    pub(crate) door: Arc<Door>,
}

impl<S> Layer<S> for ChatLayer {
    type Service = ChatService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ChatService { door: Arc::clone(&self.door), inner }
    }
}

/// See [`ChatLayer`].
#[derive(Clone)]
pub struct ChatService<S> {
    door: Arc<Door>,
    inner: S,
}

impl<S> Service<Request<Body>> for ChatService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_feed = self.door.gateway.is_some() && is_feed(&request);
        if !is_feed && !is_ours(request.uri().path()) {
            return Either::Left(self.inner.call(request));
        }
        let door = Arc::clone(&self.door);
        Either::Right(async move { Ok(door.enter(request).await) }.boxed())
    }
}

fn is_feed(request: &Request<Body>) -> bool {
    *request.method() == Method::GET && request.uri().path() == feeds::PATH
}

fn is_ours(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a request's query asks for, read as strictly as the library reads it: the first of each name counts.
struct Ask<'a> {
    transport: &'a str,
    sid: Option<&'a str>,
    is_version_4: bool,
}

impl<'a> Ask<'a> {
    fn of(query: &'a str) -> Self {
        let first = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
        Self {
            transport: first("transport=").unwrap_or_default(),
            sid: first("sid="),
            is_version_4: first("EIO=") == Some("4"),
        }
    }
}

impl Door {
    async fn enter(self: Arc<Self>, request: Request<Body>) -> Response {
        if self.stop.is_cancelled() {
            return Problem::new(Kind::Unavailable, "chat.stopping", "this node is stopping").into_response();
        }
        let visit = self.origins.judge(request.headers());
        if visit == Visit::Foreign {
            return Problem::new(Kind::Forbidden, "chat.origin", "pages of that origin may not connect")
                .into_response();
        }
        let mut response = match self.gateway.clone().filter(|_| is_feed(&request)) {
            Some(gateway) => match self.line_for(&request) {
                Some(line) => {
                    let addr = self.address_of(&request);
                    feeds::open(gateway, feeds::Asked { uri: request.uri(), headers: request.headers(), addr, line })
                        .await
                }
                None => too_many(),
            },
            None => self.dispatch(request).await,
        };
        if let Visit::Allowed(origin) = visit
            && let Ok(origin) = HeaderValue::from_str(&origin)
        {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
        }
        response
    }

    async fn dispatch(self: Arc<Self>, mut request: Request<Body>) -> Response {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let ask = Ask::of(&query);
        match (ask.transport, request.method()) {
            ("websocket", &Method::GET) => self.upgrade(request, &ask),
            ("polling", &Method::GET) if ask.sid.is_none() => match self.line_for(&request) {
                Some(line) => {
                    request.extensions_mut().insert(line);
                    let opened = self.poll(request).await;
                    self.greet(opened).await
                }
                None => too_many(),
            },
            ("polling", &Method::GET | &Method::POST) => self.poll(request).await,
            ("polling" | "websocket", _) => bad_request(2, "Bad handshake method"),
            _ => bad_request(0, "Transport unknown"),
        }
    }

    /// A new connection's line, if its address may have one more.
    fn line_for(&self, request: &Request<Body>) -> Option<Arc<Line>> {
        self.slots.take(limit_key(self.address_of(request))).map(Line::new)
    }

    fn address_of(&self, request: &Request<Body>) -> IpAddr {
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        self.proxies.client(peer, request.headers())
    }

    async fn poll(&self, request: Request<Body>) -> Response {
        let is_post = request.method() == Method::POST;
        let answer = self.io.clone().oneshot(request).map(|answer| {
            let Ok(answer) = answer;
            answer.map(Body::new)
        });
        if !is_post {
            return answer.await;
        }
        match timeout(POST_WAIT_MAX, answer).await {
            Ok(answer) => answer,
            Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
        }
    }

    /// Answers the library's first ping for a client that begins to poll: see [`greeting`](crate::greeting).
    async fn greet(&self, opened: Response) -> Response {
        let (parts, body) = opened.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        if parts.status == StatusCode::OK
            && let Some(sid) = session_of(&body)
        {
            let uri = format!("{PATH}/?EIO=4&transport=polling&sid={sid}");
            let request = |method, body: &'static str| {
                Request::builder().method(method).uri(&uri).body(Body::from(body)).map(|request| self.poll(request))
            };
            if let (Ok(ping), Ok(pong)) = (request(Method::GET, ""), request(Method::POST, "3")) {
                let answered = timeout(GREETING_WAIT_MAX, async {
                    ping.await;
                    pong.await
                });
                if answered.await.is_err() {
                    tracing::warn!("the library did not ping a new polling session");
                }
            }
        }
        Response::from_parts(parts, Body::from(body))
    }

    fn upgrade(self: Arc<Self>, mut request: Request<Body>, ask: &Ask<'_>) -> Response {
        if !ask.is_version_4 {
            return bad_request(5, "Unsupported protocol version");
        }
        let sid = match ask.sid.map(str::parse::<Sid>) {
            None => None,
            Some(Ok(sid)) => Some(sid),
            Some(Err(_)) => return bad_request(1, "Session ID unknown"),
        };
        let (Some(key), Some(on_upgrade)) =
            (websocket_key(request.headers()), request.extensions_mut().remove::<OnUpgrade>())
        else {
            return bad_request(3, "Bad request");
        };
        // A polling session that upgrades keeps its line, so that cutting it cuts the WebSocket.
        let known = sid.and_then(|sid| self.registry.find(sid)).and_then(|member| member.session.line());
        let Some(line) = known.or_else(|| self.line_for(&request)) else { return too_many() };
        let (mut parts, _body) = request.into_parts();
        // Kept as long as the socket: only what is still of use, and no slice of what the request was read into.
        parts.headers = HeaderMap::new();
        let Ok(uri) = parts.uri.to_string().parse() else { return bad_request(3, "Bad request") };
        parts.uri = uri;
        parts.extensions = http::Extensions::new();
        parts.extensions.insert(Arc::clone(&line));
        let (mut io, is_first) = (self.io.clone(), sid.is_none());
        self.tracker.spawn(async move {
            let Ok(Ok(upgraded)) = timeout(UPGRADE_WAIT_MAX, on_upgrade).await else { return };
            let Ok(parts_of) = downcast::<TokioIo<TcpStream>>(upgraded) else {
                return tracing::error!("a WebSocket came on something that is no TCP connection");
            };
            let wire = Wire::new(parts_of.io.into_inner());
            let greeting = if is_first { Greeting::awaited() } else { Greeting::Over };
            if is_first {
                line.set_wire(&wire);
            }
            let guarded = Guarded::new(wire, greeting, &parts_of.read_buf, line);
            drop(parts_of.read_buf);
            let taken = Service::<(Guarded, Request<()>)>::call(&mut io, (guarded, Request::from_parts(parts, ())));
            if let Err(error) = taken.await {
                tracing::debug!(%error, "a checked request was refused");
            }
        });
        switching(&key)
    }
}

/// The key of a proper WebSocket handshake.
fn websocket_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name: HeaderName, token: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    let is_handshake = has(CONNECTION, "upgrade") && has(UPGRADE, "websocket") && has(SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24)?;
    is_handshake.then(|| key.clone())
}

fn switching(key: &HeaderValue) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn too_many() -> Response {
    metrics::counter!("rillcast_chat_refused_total", "reason" => "address").increment(1);
    Problem::new(Kind::Throttled, "chat.too-many-connections", "too many connections from your address")
        .retry_after_ms(5_000)
        .into_response()
}

/// A refusal in Engine.IO's own words, which its clients understand.
fn bad_request(code: u8, message: &'static str) -> Response {
    let body = axum::Json(serde_json::json!({ "code": code, "message": message }));
    (StatusCode::BAD_REQUEST, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_gateways_own_path_is_taken() {
        assert!(is_ours("/socket.io") && is_ours("/socket.io/"));
        assert!(!is_ours("/socket.iox") && !is_ours("/api/socket.io/") && !is_ours("/"));
    }

    #[test]
    fn the_first_of_two_equal_names_counts() {
        let ask = Ask::of("EIO=4&transport=polling&transport=websocket&sid=a&sid=b");
        assert_eq!((ask.transport, ask.sid, ask.is_version_4), ("polling", Some("a"), true));
        assert!(!Ask::of("xEIO=4").is_version_4);
    }
}
