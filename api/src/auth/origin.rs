//! Requests that carry the refresh cookie must come from the site itself.

use axum::extract::FromRequestParts;
use domain::{Classify, Kind};
use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use kit::Problem;

use crate::state::App;

#[derive(Debug, thiserror::Error)]
#[error("this request may only come from the site itself")]
pub(crate) struct CrossSite;

impl Classify for CrossSite {
    fn kind(&self) -> Kind {
        Kind::Forbidden
    }

    fn code(&self) -> &'static str {
        "auth.cross-site"
    }
}

/// Proof that no other site's page made this request. Programs that send neither header are no browsers, and a
/// program cannot be tricked into using somebody else's cookie.
pub(crate) struct SameOrigin;

impl FromRequestParts<App> for SameOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if is_same_origin(&parts.headers, &app.site_url) { Ok(Self) } else { Err(CrossSite.into()) }
    }
}

fn is_same_origin(headers: &HeaderMap, site_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // The browser's own verdict; `same-site` is another host of ours at best.
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return true };
    if origin.eq_ignore_ascii_case(site_url.trim_end_matches('/')) {
        return true;
    }
    // Reached under another name than `public_url` (such as localhost): then Host is that name too, port included.
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    match (host, text(HOST.as_str())) {
        (Some(origin), Some(host)) => !host.is_empty() && origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_site_itself_and_programs_may() {
        let site = "https://tv.example";
        assert!(is_same_origin(&headers(&[]), site));
        assert!(is_same_origin(&headers(&[("origin", "https://tv.example"), ("host", "inner:8080")]), site));
        assert!(is_same_origin(&headers(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]), site));
        assert!(is_same_origin(&headers(&[("sec-fetch-site", "same-origin")]), site));
    }

    #[test]
    fn other_sites_and_their_look_alikes_may_not() {
        let site = "https://tv.example";
        for origin in [
            "null",
            "",
            "https://evil.example",
            "https://tv.example.evil.example",
            "https://eviltv.example",
            "https://tv.example:444",
            "https://sub.tv.example",
            "http://tv.example.",
            "file://",
        ] {
            let headers = headers(&[("origin", origin), ("host", "tv.example")]);
            assert!(!is_same_origin(&headers, site), "{origin:?}");
        }
        for site_header in ["cross-site", "same-site", "nonsense"] {
            assert!(!is_same_origin(&headers(&[("sec-fetch-site", site_header)]), site));
        }
    }
}
