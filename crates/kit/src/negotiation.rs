//! What a request asks for of a thing: which bytes (RFC 9110 14), in which coding (12.5.3), and only if it is new (13.1.2).

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};

/// A byte range of a whole, both ends included (RFC 9110 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub first: u64,
    pub last: u64,
}

impl ByteRange {
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What a `Range` header asks for of `length` bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing, something malformed, or several ranges at once: the whole is a correct answer to each.
    Whole,
    Part(ByteRange),
    Unsatisfiable,
}

/// Reads a `Range` header.
pub fn asked(header: Option<&str>, length: u64) -> Asked {
    let Some(spec) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else { return Asked::Whole };
    if spec.contains(',') {
        return Asked::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Asked::Whole };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(0) => Asked::Unsatisfiable,
            Some(_) if length == 0 => Asked::Unsatisfiable,
            Some(suffix) => Asked::Part(ByteRange { first: length.saturating_sub(suffix), last: length - 1 }),
            None => Asked::Whole,
        },
        (first, last) => {
            let Some(first) = number(first) else { return Asked::Whole };
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match last {
                Some(last) if last < first => Asked::Whole,
                Some(_) if first >= length => Asked::Unsatisfiable,
                Some(last) => Asked::Part(ByteRange { first, last: last.min(length - 1) }),
                None => Asked::Whole,
            }
        }
    }
}

/// Whether the client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    takes(headers, "gzip")
}

/// Whether the client takes this content coding (RFC 9110 12.5.3; `q=0` is a no).
pub fn takes(headers: &HeaderMap, coding: &str) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let mut pieces = item.split(';').map(str::trim);
            let is_meant = pieces.next().is_some_and(|name| name.eq_ignore_ascii_case(coding) || name == "*");
            let refused = pieces.any(|piece| {
                piece.strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).is_some_and(|q| q <= 0.0)
            });
            is_meant && !refused
        })
}

/// Whether the client has this version already: then it is told so, without a body (RFC 9110 13.1.2, weak comparison).
pub fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    let bare = etag.trim_start_matches("W/");
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == bare)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn part(first: u64, last: u64) -> Asked {
        Asked::Part(ByteRange { first, last })
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(asked(Some("bytes=0-3"), 10), part(0, 3));
        assert_eq!(asked(Some("bytes=4-"), 10), part(4, 9));
        assert_eq!(asked(Some("bytes=-3"), 10), part(7, 9));
        assert_eq!(asked(Some("bytes=-30"), 10), part(0, 9));
        assert_eq!(asked(Some("bytes=8-99"), 10), part(8, 9));
        assert_eq!(asked(Some("bytes=10-"), 10), Asked::Unsatisfiable);
        assert_eq!(asked(Some("bytes=-0"), 10), Asked::Unsatisfiable);
        for whole in
            [None, Some("items=0-3"), Some("bytes=3-1"), Some("bytes=a-b"), Some("bytes=0-1,3-4"), Some("bytes=+1-2")]
        {
            assert_eq!(asked(whole, 10), Asked::Whole, "{whole:?}");
        }
    }

    #[test]
    fn gzip_is_used_only_for_those_who_take_it() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("*"));
        assert!(!takes("gzip;q=0") && !takes("br") && !takes("identity, gzip; q=0.0"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_coding_is_asked_for_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br;q=0.9"));
        assert!(takes(&headers, "br"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, brotli, br;q=0"));
        assert!(!takes(&headers, "br"));
    }

    #[test]
    fn validators_match_in_lists_and_weakly() {
        let with = |value: &'static str| HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(value))]);
        assert!(is_unchanged(&with("\"a\", W/\"e\""), "\"e\""));
        assert!(is_unchanged(&with("*"), "\"e\""));
        assert!(!is_unchanged(&with("\"ee\""), "\"e\""));
        assert!(!is_unchanged(&HeaderMap::new(), "\"e\""));
    }
}
