//! Between S3's words and ours.

use std::ops::Range;
use std::time::SystemTime;

use s3s::dto::{self, ETag, ETagCondition, EncodingType, Timestamp};

use crate::error::{Result, StoreError};
use crate::object::{Attributes, Opened, Stored};

/// What a read depends on (RFC 9110 13.2.2).
#[derive(Debug, Default)]
pub(crate) struct ReadCondition {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    pub(crate) fn check(&self, opened: &Opened) -> Result<()> {
        let etag = ETag::Strong(opened.stored.etag.clone());
        // HTTP's dates have whole seconds.
        let modified = whole_seconds(opened.modified);
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(ETagCondition::ETag(wanted)), _) if !wanted.strong_cmp(&etag) => {
                return Err(StoreError::PreconditionFailed);
            }
            (None, Some(since)) if modified > *since => return Err(StoreError::PreconditionFailed),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(ETagCondition::Any), _) => Err(StoreError::NotModified),
            (Some(ETagCondition::ETag(known)), _) if known.weak_cmp(&etag) => Err(StoreError::NotModified),
            (None, Some(since)) if modified <= *since => Err(StoreError::NotModified),
            _ => Ok(()),
        }
    }
}

fn whole_seconds(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs()))
}

/// A number of bytes as S3 counts them.
pub(crate) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The bytes asked for, and what `Content-Range` says of them.
pub(crate) fn range(asked: Option<dto::Range>, size: u64) -> Result<(Range<u64>, Option<String>)> {
    let Some(asked) = asked else { return Ok((0..size, None)) };
    let range = asked.check(size).map_err(|_| StoreError::InvalidRange)?;
    if range.is_empty() {
        return Err(StoreError::InvalidRange);
    }
    let said = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    Ok((range, Some(said)))
}

pub(crate) fn get_output(stored: Stored, modified: SystemTime) -> dto::GetObjectOutput {
    let Stored { etag, attributes } = stored;
    dto::GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        e_tag: Some(ETag::Strong(etag)),
        last_modified: Some(modified.into()),
        content_type: attributes.content_type,
        cache_control: attributes.cache_control,
        content_disposition: attributes.content_disposition,
        content_encoding: attributes.content_encoding,
        content_language: attributes.content_language,
        expires: attributes.expires,
        metadata: attributes.metadata,
        ..dto::GetObjectOutput::default()
    }
}

pub(crate) fn head_output(opened: Opened) -> dto::HeadObjectOutput {
    let Stored { etag, attributes } = opened.stored;
    dto::HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: Some(signed(opened.size)),
        e_tag: Some(ETag::Strong(etag)),
        last_modified: Some(opened.modified.into()),
        content_type: attributes.content_type,
        cache_control: attributes.cache_control,
        content_disposition: attributes.content_disposition,
        content_encoding: attributes.content_encoding,
        content_language: attributes.content_language,
        expires: attributes.expires,
        metadata: attributes.metadata,
        ..dto::HeadObjectOutput::default()
    }
}

/// The same fields of three requests. Checked: a wrong one is refused before a byte of body is read.
macro_rules! attributes {
    ($input:expr) => {{
        let attributes = $crate::object::Attributes {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take(),
        };
        $crate::convert::refuse_unknown(
            &attributes,
            &[
                ("server-side encryption", $input.server_side_encryption.is_some()),
                ("encryption with a customer's key", $input.sse_customer_algorithm.is_some()),
                ("tagging", $input.tagging.is_some()),
                ("object lock", $input.object_lock_mode.is_some() || $input.object_lock_legal_hold_status.is_some()),
                ("redirection", $input.website_redirect_location.is_some()),
            ],
        )
        .map(|()| attributes)
    }};
}
pub(crate) use attributes;

/// What is asked for and not done would be a lie.
pub(crate) fn refuse_unknown(attributes: &Attributes, asked: &[(&'static str, bool)]) -> Result<()> {
    if let Some((what, _)) = asked.iter().find(|(_, is_asked)| *is_asked) {
        return Err(StoreError::NotImplemented(what));
    }
    attributes.check()
}

/// The version everything has here.
pub(crate) fn check_version(version: Option<&str>) -> Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(StoreError::NotImplemented("versioning")),
    }
}

/// Text in a list, in the form that was asked for: XML cannot carry every key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding {
    is_url: bool,
}

impl Encoding {
    pub(crate) fn of(asked: Option<&EncodingType>) -> Self {
        Self { is_url: asked.is_some_and(|asked| asked.as_str() == EncodingType::URL) }
    }

    pub(crate) fn write(self, text: String) -> String {
        if !self.is_url {
            return text;
        }
        let mut coded = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                    coded.push(char::from(byte));
                }
                _ => coded.push_str(&format!("%{byte:02X}")),
            }
        }
        coded
    }
}
