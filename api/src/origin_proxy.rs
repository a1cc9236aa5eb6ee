//! Asking the node that owns a stream: once for many viewers, whole and in memory, or as it comes for one.
//!
//! Owns connections and deadlines of one request. Who is asked, and what happens when nobody answers, belongs to [`crate::edge`].

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::{Classify, Kind};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kit::Secret;
use kit::edge::{EdgePass, HEADER, STREAM_HEADER};
use tokio::time::timeout;
use tower_http::timeout::TimeoutBody;

const CONNECT_WAIT_MAX: Duration = Duration::from_millis(1_000);
/// A body that stands still this long is given up.
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
/// A body that is taken into memory is complete after this, or given up.
const WHOLE_WAIT_MAX: Duration = Duration::from_secs(20);
const IDLE_CONNECTIONS_PER_NODE: usize = 256;
const IDLE_MAX: Duration = Duration::from_secs(30);
/// On top of a blocking reload's own three target durations.
const ANSWER_SLACK: Duration = Duration::from_secs(5);
/// A host that vanished without a word is noticed after three such silences.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
const KEEP_ALIVE_RETRIES: u32 = 2;

/// Why the owner's answer did not come.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("the node that has this stream does not answer: {0}")]
    Unreachable(String),
    #[error("the node that has this stream took too long")]
    TooSlow,
}

impl Classify for ProxyError {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn code(&self) -> &'static str {
        "stream.origin-unavailable"
    }

    fn retry_after_ms(&self) -> Option<u64> {
        Some(1_000)
    }
}

/// An answer whose body has not been read.
pub(crate) struct Opened {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Bytes of the body. `None`: the owner does not say.
    pub length: Option<u64>,
    body: Body,
}

impl Opened {
    /// All of the body, if it has at most `max` bytes.
    pub(crate) async fn whole(self, max: usize) -> Result<Bytes, ProxyError> {
        match timeout(WHOLE_WAIT_MAX, Limited::new(self.body, max).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(ProxyError::Unreachable(error.to_string())),
            Err(_) => Err(ProxyError::TooSlow),
        }
    }
}

/// What is asked of an owner.
pub(crate) struct Question<'a> {
    pub method: Method,
    /// Base of the owner's origin.
    pub origin_url: &'a str,
    /// Begins with a slash.
    pub path_and_query: &'a str,
    /// The stream that viewers were judged for.
    pub stream: HeaderValue,
    /// How long the owner may take until its answer begins.
    pub wait_max: Duration,
}

/// Asks other nodes' origins.
#[derive(Clone)]
pub(crate) struct OriginProxy {
    client: Client<HttpConnector, Body>,
    pass: EdgePass,
    /// A blocking reload may wait three target durations for its answer.
    pub(crate) answer_wait_max: Duration,
}

impl OriginProxy {
    pub(crate) fn new(segment_ms: u32, cluster_secret: &Secret) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_WAIT_MAX));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEP_ALIVE));
        connector.set_keepalive_interval(Some(KEEP_ALIVE));
        connector.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_NODE)
            .build(connector);
        let target = Duration::from_secs(u64::from(segment_ms.div_ceil(1_000)));
        Self { client, pass: EdgePass::new(cluster_secret), answer_wait_max: target * 3 + ANSWER_SLACK }
    }

    /// Asks, and waits until the answer begins. Of `headers` goes along what is in [`PASSED_ON`].
    pub(crate) async fn ask(&self, question: Question<'_>, headers: &HeaderMap) -> Result<Opened, ProxyError> {
        let uri: Uri = format!("{}{}", question.origin_url, question.path_and_query)
            .parse()
            .map_err(|error: http::uri::InvalidUri| ProxyError::Unreachable(error.to_string()))?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = question.method;
        *request.uri_mut() = uri;
        for name in PASSED_ON {
            for value in headers.get_all(&name) {
                request.headers_mut().append(&name, value.clone());
            }
        }
        request.headers_mut().insert(HEADER, self.pass.header());
        request.headers_mut().insert(STREAM_HEADER, question.stream);
        let answer = timeout(question.wait_max, self.client.request(request))
            .await
            .map_err(|_| ProxyError::TooSlow)?
            .map_err(|error| ProxyError::Unreachable(chain(&error)))?;
        let length = http_body::Body::size_hint(answer.body()).exact();
        let (mut parts, body) = answer.into_parts();
        strip(&mut parts.headers);
        let body = Body::new(TimeoutBody::new(BODY_WAIT_MAX, body));
        Ok(Opened { status: parts.status, headers: parts.headers, length, body })
    }

    /// Passes one viewer's request on, and its answer back as it comes.
    pub(crate) async fn pass(&self, question: Question<'_>, headers: &HeaderMap) -> Result<Response, ProxyError> {
        let Opened { status, headers, body, .. } = self.ask(question, headers).await?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// An error and what was behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What of a viewer's request concerns the origin. Cookies and tokens do not.
const PASSED_ON: [HeaderName; 4] =
    [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE, HeaderName::from_static("x-request-id")];

/// Headers that speak of one connection only (RFC 9110 7.6.1), and CORS, which is the site's to decide.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
    // The site says who may read media; an origin's own word would make two.
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, "close, x-hop".parse().unwrap());
        headers.insert("x-hop", "1".parse().unwrap());
        headers.insert(header::TRANSFER_ENCODING, "chunked".parse().unwrap());
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".parse().unwrap());
        headers.insert(header::ETAG, "\"1\"".parse().unwrap());
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["etag"]);
    }
}
