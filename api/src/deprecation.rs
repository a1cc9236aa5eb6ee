//! Operations that will go: their answers say since when (`Deprecation`, RFC 9745), until when (`Sunset`, RFC 8594) and where to read more
//! (`Link`). The document marks them. What stands behind it is in docs/api.md: at least half a year between the two, then 410.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{HeaderName, LINK};
use http::{HeaderValue, Method, StatusCode};
use utoipa::openapi::{Deprecated, OpenApi};

use crate::layers;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// One operation that will go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving {
    /// Such as `GET`, which stands for `HEAD` too.
    pub method: &'static str,
    /// As it is written in the document.
    pub path: &'static str,
    /// Seconds since 1970.
    pub since: i64,
    /// From when on it is answered with 410. Seconds since 1970.
    pub sunset: i64,
    /// What to use instead, as an address on this site.
    pub link: &'static str,
}

/// What is on its way out at the moment.
pub(crate) const TABLE: &[Leaving] = &[];

/// The layer: tells of operations in its table, and answers for those whose time is over.
pub(crate) async fn tell(State(table): State<&'static [Leaving]>, request: Request, next: Next) -> Response {
    let pattern = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let method = if *request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
    let leaving = table.iter().find(|one| one.path == pattern && one.method == method).copied();
    let Some(leaving) = leaving else { return next.run(request).await };
    let is_gone = kit::clock::now().timestamp() >= leaving.sunset;
    let mut response = if is_gone {
        let detail = format!("this call is gone; see {}", leaving.link);
        layers::problem(StatusCode::GONE, "request.gone", detail)
    } else {
        next.run(request).await
    };
    metrics::counter!("rillcast_deprecated_calls_total", "path" => leaving.path).increment(1);
    let sunset = DateTime::<Utc>::from_timestamp(leaving.sunset, 0).unwrap_or_default();
    let headers = [
        (DEPRECATION, format!("@{}", leaving.since)),
        (SUNSET, sunset.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        (LINK, format!("<{}>; rel=\"deprecation\"", leaving.link)),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Marks the operations of a table in the document.
pub(crate) fn documented(document: &mut OpenApi, table: &[Leaving]) {
    for leaving in table {
        let Some(item) = document.paths.paths.get_mut(leaving.path) else { continue };
        let operation = match leaving.method {
            "GET" => item.get.as_mut(),
            "POST" => item.post.as_mut(),
            "PUT" => item.put.as_mut(),
            "PATCH" => item.patch.as_mut(),
            "DELETE" => item.delete.as_mut(),
            _ => None,
        };
        let Some(operation) = operation else { continue };
        operation.deprecated = Some(Deprecated::True);
        let sunset = DateTime::<Utc>::from_timestamp(leaving.sunset, 0).unwrap_or_default();
        let word = format!("Gone from {} on: {}", sunset.to_rfc3339_opts(SecondsFormat::Secs, true), leaving.link);
        let text = operation.description.take().map_or(word.clone(), |text| format!("{text}\n\n{word}"));
        operation.description = Some(text);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use axum::{Json, Router};
    use tower::ServiceExt;

    use super::*;

    const SOON: i64 = 4_102_444_800;
    static MADE_UP: [Leaving; 2] = [
        Leaving { method: "GET", path: "/api/v1/old/{id}", since: 1_767_225_600, sunset: SOON, link: "/docs#new" },
        Leaving {
            method: "POST",
            path: "/api/v1/gone",
            since: 1_577_836_800,
            sunset: 1_609_459_200,
            link: "/docs#new",
        },
    ];

    async fn ask(method: Method, path: &str) -> Response {
        let routes = Router::new()
            .route("/api/v1/old/{id}", get(async || Json("still here")).put(async || "not meant"))
            .route("/api/v1/gone", axum::routing::post(async || "not any more"))
            .route("/api/v1/new", get(async || "stays"))
            .layer(from_fn_with_state(&MADE_UP[..], tell));
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        routes.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn what_will_go_says_so_and_still_works() {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(method, "/api/v1/old/7").await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["deprecation"], "@1767225600");
            assert_eq!(answer.headers()["sunset"], "Fri, 01 Jan 2100 00:00:00 GMT");
            assert_eq!(answer.headers()["link"], "</docs#new>; rel=\"deprecation\"");
        }
        for (method, path) in [(Method::PUT, "/api/v1/old/7"), (Method::GET, "/api/v1/new")] {
            let answer = ask(method, path).await;
            assert_eq!(answer.status(), 200);
            assert!(!answer.headers().contains_key("deprecation"), "{path}");
        }
    }

    #[tokio::test]
    async fn after_its_sunset_a_call_is_gone() {
        let answer = ask(Method::POST, "/api/v1/gone").await;
        assert_eq!(answer.status(), 410);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("sunset"));
    }

    #[test]
    fn the_document_marks_them_and_the_real_table_names_real_calls() {
        let mut document = crate::router::document();
        let me = [Leaving { method: "GET", path: "/api/v1/me", since: 0, sunset: SOON, link: "/docs#new" }];
        documented(&mut document, &me);
        let operation = document.paths.paths["/api/v1/me"].get.clone().unwrap();
        assert!(operation.deprecated.is_some() && operation.description.unwrap().contains("2100-01-01"));
        for leaving in TABLE {
            assert!(document.paths.paths.contains_key(leaving.path), "{leaving:?}");
            assert!(leaving.sunset - leaving.since >= 180 * 86_400, "half a year at least: {leaving:?}");
        }
    }
}
