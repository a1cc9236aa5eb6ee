//! Writing an object with one request, for the many of them that running streams make.
//!
//! The SDK's layers cost more than the kernel's work of sending a segment. So these requests are signed by the SDK's own
//! signer and sent as they are. The caller owns the retry.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use futures::Stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST};
use kit::config::StorageConfig;
use reqwest::Url;
use sha2::{Digest, Sha256};
use tokio::io::AsyncSeekExt;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use crate::error::{ObjectsError, Result};
use crate::store::{CONNECT_WAIT_MAX, attempt_wait};

/// Connections that wait for the next segment.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// What is read of a file at a time.
const FILE_CHUNK_BYTES: usize = 64 * 1024;
/// An error's text longer than this is not S3's.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// An object to be written, in as many pieces as it happens to be.
#[derive(Debug, Clone)]
pub struct Upload<'a> {
    pub key: &'a str,
    pub chunks: &'a [Bytes],
    pub sha256: [u8; 32],
    pub content_type: &'a str,
    pub cache_control: &'a str,
}

/// An object to be written from a file.
#[derive(Debug)]
pub struct FileUpload<'a> {
    pub key: &'a str,
    /// Read from its beginning.
    pub file: &'a std::fs::File,
    /// Its length.
    pub bytes: u64,
    pub sha256: [u8; 32],
    pub content_type: &'a str,
    pub cache_control: &'a str,
}

/// A request's head: what is signed.
struct Head<'a> {
    key: &'a str,
    bytes: u64,
    sha256: [u8; 32],
    content_type: &'a str,
    cache_control: &'a str,
}

/// The SHA-256 of pieces one after another.
pub fn sha256(chunks: &[Bytes]) -> [u8; 32] {
    let mut hash = Sha256::new();
    chunks.iter().for_each(|chunk| hash.update(chunk));
    hash.finalize().into()
}

/// Sends single signed requests.
#[derive(Debug, Clone)]
pub(crate) struct Once {
    http: reqwest::Client,
    /// The bucket's address, with a slash at its end.
    base: Url,
    credentials: Credentials,
    region: String,
}

impl Once {
    pub(crate) fn new(config: &StorageConfig, credentials: Credentials) -> Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WAIT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_only()
            // Reads by the SDK know no proxy of the environment either.
            .no_proxy()
            .build()
            .map_err(|_| ObjectsError::Settings("no TLS for storage.endpoint"))?;
        let base = bucket_address(config).ok_or(ObjectsError::Settings("storage.endpoint is not an address"))?;
        Ok(Self { http, base, credentials, region: config.region.clone() })
    }

    pub(crate) async fn put(&self, upload: &Upload<'_>) -> Result<()> {
        let head = Head {
            key: upload.key,
            bytes: upload.chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            sha256: upload.sha256,
            content_type: upload.content_type,
            cache_control: upload.cache_control,
        };
        self.send(&head, reqwest::Body::wrap(Chunks::new(upload.chunks))).await
    }

    pub(crate) async fn put_file(&self, upload: &FileUpload<'_>) -> Result<()> {
        let lost = |error| unavailable(upload.key, error);
        let mut file = tokio::fs::File::from_std(upload.file.try_clone().map_err(lost)?);
        file.rewind().await.map_err(lost)?;
        let head = Head {
            key: upload.key,
            bytes: upload.bytes,
            sha256: upload.sha256,
            content_type: upload.content_type,
            cache_control: upload.cache_control,
        };
        let pieces = ReaderStream::with_capacity(file, FILE_CHUNK_BYTES);
        self.send(&head, reqwest::Body::wrap(Pieces { pieces, left: upload.bytes })).await
    }

    async fn send(&self, head: &Head<'_>, body: reqwest::Body) -> Result<()> {
        let sent = async {
            let request = self.request(head, body)?;
            let answer = self.http.execute(request).await.map_err(|error| unavailable(head.key, error))?;
            let status = answer.status();
            // The body is read in any case: the connection serves the next request.
            let text = read(answer).await.map_err(|error| unavailable(head.key, error))?;
            if status.is_success() {
                return Ok(());
            }
            Err(ObjectsError::sort_answer("put", head.key, status.as_u16(), &text))
        };
        match timeout(attempt_wait(head.bytes), sent).await {
            Ok(sent) => sent,
            Err(late) => Err(unavailable(head.key, late)),
        }
    }

    /// Sends a request that carries its own leave; the ETag of what it wrote.
    pub(crate) async fn answer(
        &self,
        verb: &'static str,
        key: &str,
        bytes: u64,
        request: reqwest::Request,
    ) -> Result<String> {
        let lost = |error: reqwest::Error| ObjectsError::Unavailable {
            what: format!("{verb} {key}"),
            // The link is a secret of its own.
            source: Box::new(error.without_url()),
        };
        let sent = async {
            let answer = self.http.execute(request).await.map_err(lost)?;
            let status = answer.status();
            let etag = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
            let text = read(answer).await.map_err(lost)?;
            match etag {
                Some(etag) if status.is_success() => Ok(etag),
                _ => Err(ObjectsError::sort_answer(verb, key, status.as_u16(), &text)),
            }
        };
        match timeout(attempt_wait(bytes), sent).await {
            Ok(sent) => sent,
            Err(late) => Err(unavailable(key, late)),
        }
    }

    fn request(&self, upload: &Head<'_>, body: reqwest::Body) -> Result<reqwest::Request> {
        const UNSIGNED: ObjectsError = ObjectsError::Settings("a request that cannot be signed");
        let url = format!("{}{}", self.base, escaped(upload.key));
        let host = host(&self.base);
        let length = upload.bytes.to_string();
        let headers = [
            (HOST.as_str(), host.as_str()),
            (CONTENT_TYPE.as_str(), upload.content_type),
            (CACHE_CONTROL.as_str(), upload.cache_control),
            (CONTENT_LENGTH.as_str(), length.as_str()),
        ];
        let hash = SignableBody::Precomputed(hex::encode(upload.sha256));
        let signable = SignableRequest::new("PUT", &url, headers.into_iter(), hash).map_err(|_| UNSIGNED)?;
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(kit::clock::now().into())
            .settings(settings)
            .build()
            .map_err(|_| UNSIGNED)?;
        let (instructions, _signature) = sign(signable, &params.into()).map_err(|_| UNSIGNED)?.into_parts();
        let mut request = http::Request::put(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(body).map_err(|_| UNSIGNED)?;
        instructions.apply_to_request_http1x(&mut request);
        reqwest::Request::try_from(request).map_err(|_| UNSIGNED)
    }
}

/// Where the bucket's objects lie: below a path, or at a host of its own.
fn bucket_address(config: &StorageConfig) -> Option<Url> {
    let mut url = Url::parse(config.endpoint.trim_end_matches('/')).ok()?;
    if config.path_style {
        let path = format!("{}/{}/", url.path().trim_end_matches('/'), config.bucket);
        url.set_path(&path);
    } else {
        let host = format!("{}.{}", config.bucket, url.host_str()?);
        url.set_host(Some(&host)).ok()?;
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Some(url)
}

/// A key as it stands in a URL and in what is signed: everything but unreserved characters (RFC 3986 2.3) and slashes escaped.
fn escaped(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

fn unavailable(key: &str, source: impl std::error::Error + Send + Sync + 'static) -> ObjectsError {
    ObjectsError::Unavailable { what: format!("put {key}"), source: Box::new(source) }
}

async fn read(mut answer: reqwest::Response) -> reqwest::Result<String> {
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if text.len() + chunk.len() > ANSWER_BYTES_MAX {
            break;
        }
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Pieces as a request's body, of known length.
struct Chunks {
    chunks: VecDeque<Bytes>,
    left: u64,
}

impl Chunks {
    fn new(chunks: &[Bytes]) -> Self {
        let chunks: VecDeque<Bytes> = chunks.iter().filter(|chunk| !chunk.is_empty()).cloned().collect();
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { chunks, left }
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<http_body::Frame<Bytes>, Infallible>>> {
        let next = self.chunks.pop_front();
        self.left -= next.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Poll::Ready(next.map(|chunk| Ok(http_body::Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

/// A file as a request's body, of known length.
struct Pieces {
    pieces: ReaderStream<tokio::fs::File>,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let next = ready!(Pin::new(&mut self.pieces).poll_next(context));
        if let Some(Ok(piece)) = &next {
            self.left = self.left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(next.map(|piece| piece.map(http_body::Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(endpoint: &str, path_style: bool) -> String {
        let config = StorageConfig {
            endpoint: endpoint.to_owned(),
            bucket: "casts".to_owned(),
            path_style,
            ..StorageConfig::default()
        };
        format!("{}{}", bucket_address(&config).expect("an address"), escaped("vod/1/seg+2.m4s"))
    }

    #[test]
    fn an_object_lies_below_its_bucket_or_at_the_buckets_host() {
        assert_eq!(address("http://127.0.0.1:9000", true), "http://127.0.0.1:9000/casts/vod/1/seg%2B2.m4s");
        assert_eq!(address("https://s3.example/store/", true), "https://s3.example/store/casts/vod/1/seg%2B2.m4s");
        assert_eq!(address("https://s3.example:444", false), "https://casts.s3.example:444/vod/1/seg%2B2.m4s");
    }
}
