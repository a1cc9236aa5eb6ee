//! Uploads in parts: begun, told of and ended by us; the parts come from a browser, through a link or through this process.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Part};
use bytes::Bytes;
use futures::Stream;
use reqwest::Method;

use crate::error::{ObjectsError, Result};
use crate::store::Objects;

/// One ListParts answers with 1,000; S3 has 10,000 at most.
const LIST_PAGES_MAX: usize = 12;
/// For how long a link of our own making is good.
const OWN_LINK_TTL: Duration = Duration::from_secs(3_600);

/// An upload under way: its key, and the store's name for it.
#[derive(Debug, Clone, Copy)]
pub struct UploadInParts<'a> {
    pub key: &'a str,
    pub id: &'a str,
}

/// A part that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHere {
    pub number: u32,
    /// Quoted or not, as the store has it. `None`: a store that does not tell it in lists.
    pub etag: Option<String>,
    pub bytes: u64,
}

impl Objects {
    /// Begins an upload; the store's name for it.
    pub async fn begin_parts(&self, key: &str, content_type: &str, cache_control: &str) -> Result<String> {
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .content_type(content_type)
            .cache_control(cache_control)
            .send()
            .await
            .map_err(|error| ObjectsError::sort("begin", key, error))?;
        begun.upload_id.ok_or(ObjectsError::Settings("the store names no upload"))
    }

    /// A link that takes one part of exactly `bytes` bytes, for `ttl`. Talks to nobody.
    pub async fn presign_part(
        &self,
        upload: UploadInParts<'_>,
        number: u32,
        bytes: u64,
        ttl: Duration,
    ) -> Result<String> {
        let config =
            PresigningConfig::expires_in(ttl).map_err(|_| ObjectsError::Settings("a link's time is out of range"))?;
        let request = self
            .client
            .upload_part()
            .bucket(&*self.bucket)
            .key(upload.key)
            .upload_id(upload.id)
            .part_number(number.cast_signed())
            .content_length(bytes.cast_signed())
            .presigned(config)
            .await
            .map_err(|error| ObjectsError::sort("presign", upload.key, error))?;
        Ok(request.uri().to_owned())
    }

    /// Passes one part of exactly `bytes` bytes on as it comes; its ETag. Whoever sends it owns the retry.
    pub async fn put_part<E>(
        &self,
        upload: UploadInParts<'_>,
        number: u32,
        bytes: u64,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<String>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let link = self.presign_part(upload, number, bytes, OWN_LINK_TTL).await?;
        let url = link.parse().map_err(|_| ObjectsError::Settings("a link that is none"))?;
        let mut request = reqwest::Request::new(Method::PUT, url);
        request.headers_mut().insert(http::header::CONTENT_LENGTH, bytes.into());
        *request.body_mut() = Some(reqwest::Body::wrap_stream(body));
        self.once.answer("put part of", upload.key, bytes, request).await
    }

    /// The parts that are there, by number. `NotFound`: the upload is over.
    pub async fn parts(&self, upload: UploadInParts<'_>) -> Result<Vec<PartHere>> {
        let (mut parts, mut after) = (Vec::new(), None);
        for _page in 0..LIST_PAGES_MAX {
            let page = self
                .client
                .list_parts()
                .bucket(&*self.bucket)
                .key(upload.key)
                .upload_id(upload.id)
                .set_part_number_marker(after)
                .send()
                .await
                .map_err(|error| ObjectsError::sort("list parts of", upload.key, error))?;
            parts.extend(page.parts().iter().filter_map(here));
            after = page.next_part_number_marker.filter(|_| page.is_truncated == Some(true));
            if after.is_none() {
                break;
            }
        }
        parts.sort_unstable_by_key(|part: &PartHere| part.number);
        Ok(parts)
    }

    /// Makes the parts one object. `NotFound`: the upload is over, maybe because this was done before.
    pub async fn complete_parts(&self, upload: UploadInParts<'_>, parts: &[PartHere]) -> Result<()> {
        let named = parts.iter().map(|part| {
            CompletedPart::builder().part_number(part.number.cast_signed()).set_e_tag(part.etag.clone()).build()
        });
        let whole = CompletedMultipartUpload::builder().set_parts(Some(named.collect())).build();
        self.client
            .complete_multipart_upload()
            .bucket(&*self.bucket)
            .key(upload.key)
            .upload_id(upload.id)
            .multipart_upload(whole)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| ObjectsError::sort("complete", upload.key, error))
    }

    /// Gives an upload up; its parts go. One that is over counts as given up.
    pub async fn abort_parts(&self, upload: UploadInParts<'_>) -> Result<()> {
        let sent = self
            .client
            .abort_multipart_upload()
            .bucket(&*self.bucket)
            .key(upload.key)
            .upload_id(upload.id)
            .send()
            .await;
        match sent.map_err(|error| ObjectsError::sort("abort", upload.key, error)) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

fn here(part: &Part) -> Option<PartHere> {
    Some(PartHere {
        number: u32::try_from(part.part_number?).ok()?,
        etag: part.e_tag.clone(),
        bytes: u64::try_from(part.size?).ok()?,
    })
}
