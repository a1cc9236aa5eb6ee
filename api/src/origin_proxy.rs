//! Fetching live media from the node that owns it. Bodies stream through; nothing is kept.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use domain::{Classify, Kind};
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tower_http::timeout::TimeoutBody;

const CONNECT_WAIT_MAX: Duration = Duration::from_millis(1_000);
/// A body that stands still this long is given up.
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS_PER_NODE: usize = 256;
const IDLE_MAX: Duration = Duration::from_secs(30);
/// On top of a blocking reload's own three target durations.
const ANSWER_SLACK: Duration = Duration::from_secs(5);

/// Why the owner's answer did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("the node that has this stream does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
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

/// Asks other nodes' origins.
#[derive(Clone)]
pub(crate) struct OriginProxy {
    client: Client<HttpConnector, Body>,
    answer_wait_max: Duration,
}

impl OriginProxy {
    /// A blocking reload may wait three target durations for its answer.
    pub(crate) fn new(segment_ms: u32) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_WAIT_MAX));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_NODE)
            .build(connector);
        let target = Duration::from_secs(u64::from(segment_ms.div_ceil(1_000)));
        Self { client, answer_wait_max: target * 3 + ANSWER_SLACK }
    }

    /// Passes a GET or HEAD on. `path_and_query` starts with a slash.
    pub(crate) async fn fetch(
        &self,
        origin_url: &str,
        method: Method,
        path_and_query: &str,
        headers: &HeaderMap,
    ) -> Result<Response, ProxyError> {
        let uri: Uri = format!("{origin_url}{path_and_query}")
            .parse()
            .map_err(|error: http::uri::InvalidUri| ProxyError::Unreachable(error.into()))?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        for name in PASSED_ON {
            for value in headers.get_all(&name) {
                request.headers_mut().append(&name, value.clone());
            }
        }
        let answer = timeout(self.answer_wait_max, self.client.request(request))
            .await
            .map_err(|_| ProxyError::TooSlow)?
            .map_err(|error| ProxyError::Unreachable(error.into()))?;
        let (mut parts, body) = answer.into_parts();
        strip(&mut parts.headers);
        parts.extensions.clear();
        parts.version = http::Version::HTTP_11;
        Ok(Response::from_parts(parts, Body::new(TimeoutBody::new(BODY_WAIT_MAX, body))))
    }
}

/// What of a viewer's request concerns the origin. Cookies and tokens do not.
const PASSED_ON: [HeaderName; 6] = [
    header::ACCEPT_ENCODING,
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    HeaderName::from_static("x-request-id"),
];

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
    strip_cors(headers);
}

/// The site says who may read media; an origin's own word would make two.
pub(crate) fn strip_cors(headers: &mut HeaderMap) {
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
