//! One request, bounded in time and size.

use std::io::Read;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ORIGIN, RANGE};
use tokio::time::timeout;

use crate::answer::Answer;

/// A playlist may have so many bytes, unpacked.
pub(super) const PLAYLIST_MAX: usize = 8 << 20;
/// A segment, part or initialisation section may have so many bytes.
pub(super) const MEDIA_MAX: usize = 64 << 20;
/// An answer that need not wait for media comes within this time.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
const REDIRECTS_MAX: usize = 5;
/// The site that pretends to play: servers show their CORS headers only to one.
const SITE: &str = "https://player.invalid";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body is not what Content-Encoding says")]
    Encoding,
}

/// Makes requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(reqwest::Client);

impl Fetcher {
    pub(super) fn new() -> Result<Self, FetchError> {
        let client = reqwest::Client::builder()
            .user_agent("rillcast-hls-check")
            .connect_timeout(CONNECT_WAIT_MAX)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX))
            .build()?;
        Ok(Self(client))
    }

    /// A playlist, as a player asks for it. `wait` covers the whole answer.
    pub(super) async fn playlist(&self, url: &str, wait: Duration) -> Result<Answer, FetchError> {
        let request = self.0.get(url).header(ACCEPT_ENCODING, "gzip").header(ORIGIN, SITE);
        within(wait, answer(url, request, PLAYLIST_MAX)).await
    }

    /// Media, or the range of it.
    pub(super) async fn media(&self, url: &str, range: Option<&str>, wait: Duration) -> Result<Answer, FetchError> {
        let mut request = self.0.get(url).header(ORIGIN, SITE);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        within(wait, answer(url, request, MEDIA_MAX)).await
    }
}

async fn within(
    wait: Duration,
    answer: impl Future<Output = Result<Answer, FetchError>>,
) -> Result<Answer, FetchError> {
    timeout(wait, answer).await.unwrap_or(Err(FetchError::Late(wait)))
}

async fn answer(url: &str, request: reqwest::RequestBuilder, bytes_max: usize) -> Result<Answer, FetchError> {
    let mut response = request.send().await?;
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let is_gzip = response.headers().get(CONTENT_ENCODING).is_some_and(|coding| text(coding).contains("gzip"));
    let (status, final_url) = (response.status().as_u16(), response.url().to_string());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Err(FetchError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    if is_gzip {
        body = unpack(&body, bytes_max)?;
    }
    // The client may write an address a little differently; only another place is a redirect.
    let asked = reqwest::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.to_string());
    let final_url = if asked == final_url { url.to_owned() } else { final_url };
    Ok(Answer { url: url.to_owned(), final_url, status, headers, body })
}

fn unpack(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(packed).take(bytes_max as u64 + 1);
    reader.read_to_end(&mut body).map_err(|_| FetchError::Encoding)?;
    if body.len() > bytes_max {
        return Err(FetchError::TooLarge(bytes_max));
    }
    Ok(body)
}

/// `name` as written in what came from `base`.
pub(super) fn resolve(base: &str, name: &str) -> Option<String> {
    Some(reqwest::Url::parse(base).ok()?.join(name).ok()?.to_string())
}

/// `url` with one more query argument.
pub(super) fn with_query(url: &str, query: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_packed_body_is_capped_when_unpacked() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&[0; 10_000]).expect("packs");
        let packed = packer.finish().expect("packs");
        assert_eq!(unpack(&packed, 10_000).expect("fits").len(), 10_000);
        assert!(matches!(unpack(&packed, 9_999), Err(FetchError::TooLarge(9_999))));
        assert!(matches!(unpack(b"no gzip", 10), Err(FetchError::Encoding)));
    }

    #[test]
    fn names_resolve_and_queries_are_joined() {
        assert_eq!(resolve("http://h/a/b.m3u8?x=1", "c/d.m4s").as_deref(), Some("http://h/a/c/d.m4s"));
        assert_eq!(with_query("http://h/a?x=1", "_HLS_msn=2"), "http://h/a?x=1&_HLS_msn=2");
    }
}
