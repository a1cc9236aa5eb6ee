//! A body on its way in: gathered in memory, checked against what its sender says, written in one step when it fits.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5, Sha256};
use s3s::dto::{self, StreamingBlob};
use s3s::{S3Request, TrailingHeaders};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::commit::Temp;
use crate::disk::{Disk, Store};
use crate::error::{Result, StoreError};
use crate::object::{Attributes, Stored};

/// A body up to this is written in one step.
const GATHERED_WHOLE_MAX: u64 = 16 * 1_024 * 1_024;
/// A larger one in steps of this.
const STEP_BYTES: usize = 4 * 1_024 * 1_024;
/// Pieces of one step: a peer that sends single bytes does not make us keep a list of them.
const PIECES_MAX: usize = 4_096;
/// S3's limit for one request.
pub(crate) const BODY_BYTES_MAX: u64 = 5 * 1_024 * 1_024 * 1_024;
/// Between two pieces of a body.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a sender says of its body.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    length: Option<u64>,
    /// Hex. `s3s` has checked the body against it by the time the body ends.
    signed_sha256: Option<String>,
    md5: Option<Vec<u8>>,
    checksums: dto::Checksum,
    /// `x-amz-trailer`: checksums that follow the body.
    announced: String,
    trailers: Option<TrailingHeaders>,
}

/// A body that has arrived, or as much of it as is not yet on disk.
pub(crate) struct Received {
    pieces: Vec<Bytes>,
    size: u64,
    temp: Option<Temp>,
    hashes: Hashes,
    claims: Claims,
    _room: OwnedSemaphorePermit,
}

/// A file whose body and trailer are written, and what to tell its sender.
#[derive(Debug)]
pub(crate) struct Written {
    pub temp: Temp,
    pub etag: String,
    pub checksums: dto::Checksum,
}

#[derive(Default)]
struct Hashes {
    sha256: Option<Sha256>,
    md5: Option<Md5>,
    checksums: ChecksumHasher,
}

impl Claims {
    pub(crate) fn read<T>(request: &S3Request<T>, length: Option<i64>, md5: Option<&str>) -> Result<Self> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let is_digest = |value: &&str| value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Only version 4 of the signature covers it, and only that one names a region; a form's file is never covered.
        let is_covered = request.method == "PUT" && request.region.is_some();
        let signed_sha256 = header("x-amz-content-sha256").filter(is_digest).filter(|_| is_covered);
        let md5 = match md5.map(|md5| STANDARD.decode(md5)) {
            Some(Ok(md5)) if md5.len() == 16 => Some(md5),
            None => None,
            Some(_) => return Err(StoreError::InvalidArgument("Content-MD5 is no digest")),
        };
        let length = length.and_then(|length| u64::try_from(length).ok());
        if length.is_some_and(|length| length > BODY_BYTES_MAX) {
            return Err(StoreError::TooLarge);
        }
        let sum = |name: &str| header(&format!("x-amz-checksum-{name}")).map(str::to_owned);
        Ok(Self {
            length,
            signed_sha256: signed_sha256.map(str::to_ascii_lowercase),
            md5,
            checksums: checksums(sum),
            announced: header("x-amz-trailer").unwrap_or_default().to_ascii_lowercase(),
            trailers: request.trailing_headers.clone(),
        })
    }

    fn hashes(&self) -> Hashes {
        let is_announced = |name: &str| self.announced.split(',').any(|announced| announced.trim() == name);
        let is_wanted = |sum: &Option<String>, name: &str| sum.is_some() || is_announced(name);
        let sums = &self.checksums;
        let checksums = ChecksumHasher {
            crc32: is_wanted(&sums.checksum_crc32, "x-amz-checksum-crc32").then(Default::default),
            crc32c: is_wanted(&sums.checksum_crc32c, "x-amz-checksum-crc32c").then(Default::default),
            crc64nvme: is_wanted(&sums.checksum_crc64nvme, "x-amz-checksum-crc64nvme").then(Default::default),
            sha1: is_wanted(&sums.checksum_sha1, "x-amz-checksum-sha1").then(Default::default),
            sha256: is_wanted(&sums.checksum_sha256, "x-amz-checksum-sha256").then(Default::default),
        };
        Hashes {
            sha256: self.signed_sha256.is_none().then(Sha256::new),
            md5: self.md5.is_some().then(Md5::new),
            checksums,
        }
    }
}

fn checksums(sum: impl Fn(&str) -> Option<String>) -> dto::Checksum {
    dto::Checksum {
        checksum_crc32: sum("crc32"),
        checksum_crc32c: sum("crc32c"),
        checksum_crc64nvme: sum("crc64nvme"),
        checksum_sha1: sum("sha1"),
        checksum_sha256: sum("sha256"),
        ..dto::Checksum::default()
    }
}

impl Hashes {
    fn update(&mut self, piece: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(piece);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
        self.checksums.update(piece);
    }
}

/// Receives a body to its end. One that is too large for memory is on disk by then, but for the last step.
pub(crate) async fn receive(store: &Store, body: Option<StreamingBlob>, claims: Claims) -> Result<Received> {
    let whole = claims.length.filter(|length| *length <= GATHERED_WHOLE_MAX);
    let step = whole.and_then(|length| usize::try_from(length).ok()).unwrap_or(STEP_BYTES);
    let room = store.room(step).await?;
    let hashes = claims.hashes();
    let mut received = Received { pieces: Vec::new(), size: 0, temp: None, hashes, claims, _room: room };
    let mut gathered = 0;
    let Some(mut body) = body else { return received.ended() };
    loop {
        let piece = match timeout(PIECE_WAIT_MAX, body.next()).await {
            Ok(Some(piece)) => piece.map_err(StoreError::body)?,
            Ok(None) => return received.ended(),
            Err(_) => return Err(StoreError::Stalled),
        };
        received.size += piece.len() as u64;
        if received.size > received.claims.length.unwrap_or(BODY_BYTES_MAX) {
            return Err(if received.claims.length.is_some() {
                StoreError::IncompleteBody
            } else {
                StoreError::TooLarge
            });
        }
        gathered += piece.len();
        received.pieces.push(piece);
        if gathered > step || received.pieces.len() >= PIECES_MAX {
            received = store.work(move |disk| received.spill(disk)).await?;
            gathered = 0;
        }
    }
}

impl Received {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn ended(mut self) -> Result<Self> {
        if self.claims.length.is_some_and(|length| length != self.size) {
            return Err(StoreError::IncompleteBody);
        }
        if self.claims.announced.is_empty() {
            return Ok(self);
        }
        let trailers = self.claims.trailers.take().and_then(|trailers| trailers.take()).unwrap_or_default();
        let sum = |name: &str| {
            let value = trailers.get(format!("x-amz-checksum-{name}"))?;
            value.to_str().ok().map(str::to_owned)
        };
        let late = checksums(sum);
        let sums = &mut self.claims.checksums;
        sums.checksum_crc32 = late.checksum_crc32.or(sums.checksum_crc32.take());
        sums.checksum_crc32c = late.checksum_crc32c.or(sums.checksum_crc32c.take());
        sums.checksum_crc64nvme = late.checksum_crc64nvme.or(sums.checksum_crc64nvme.take());
        sums.checksum_sha1 = late.checksum_sha1.or(sums.checksum_sha1.take());
        sums.checksum_sha256 = late.checksum_sha256.or(sums.checksum_sha256.take());
        Ok(self)
    }

    /// Writes what was gathered so far.
    fn spill(mut self, disk: &Disk) -> Result<Self> {
        for piece in &self.pieces {
            self.hashes.update(piece);
        }
        let mut temp = self.temp.take().map_or_else(|| Temp::create(disk), Ok)?;
        temp.write(&self.pieces, &[])?;
        self.pieces.clear();
        self.temp = Some(temp);
        Ok(self)
    }

    /// Checks the claims, then writes the rest and the trailer.
    pub(crate) fn write(mut self, disk: &Disk, attributes: Attributes) -> Result<Written> {
        for piece in &self.pieces {
            self.hashes.update(piece);
        }
        let Hashes { sha256, md5, checksums } = self.hashes;
        if md5.map(|md5| md5.finalize().to_vec()) != self.claims.md5 {
            return Err(StoreError::BadDigest("Content-MD5"));
        }
        let checksums = checksums.finalize();
        if checksums != self.claims.checksums {
            return Err(StoreError::BadDigest("x-amz-checksum"));
        }
        let computed = sha256.map(|sha256| hex::encode(sha256.finalize()));
        let etag = computed.or(self.claims.signed_sha256).unwrap_or_default();
        let stored = Stored { etag: etag.clone(), attributes };
        let mut temp = self.temp.take().map_or_else(|| Temp::create(disk), Ok)?;
        temp.write(&self.pieces, &stored.trailer(self.size)?)?;
        Ok(Written { temp, etag, checksums })
    }
}
