//! What makes the SDK speak the S3 that every store understands.
//!
//! The SDK puts a CRC32 into requests that must carry a checksum; Backblaze B2 refuses the header and wants
//! `Content-MD5`. The SDK leaves its own out when the caller has brought one, so this brings an empty token before it
//! decides and trades it for `Content-MD5` before the request is signed.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

/// Counts as the caller's checksum, and never leaves the process.
const TOKEN_HEADER: &str = "x-amz-checksum-by-md5";
const CHECKSUM_PREFIX: &str = "x-amz-checksum-";

/// The value of `Content-MD5`.
fn content_md5(body: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(body))
}

#[derive(Debug)]
pub(crate) struct Md5ForDeleteObjects;

impl Intercept for Md5ForDeleteObjects {
    fn name(&self) -> &'static str {
        "Md5ForDeleteObjects"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let is_delete_objects = request.method() == "POST" && request.uri().contains("?delete");
        if is_delete_objects {
            request.headers_mut().insert(TOKEN_HEADER, "1");
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if request.headers().get(TOKEN_HEADER).is_none() {
            return Ok(());
        }
        let md5 = request.body().bytes().map(content_md5);
        let headers = request.headers_mut();
        let extra: Vec<String> = headers
            .iter()
            .map(|(name, _)| name.to_owned())
            .filter(|name| name.starts_with(CHECKSUM_PREFIX) || name == "x-amz-sdk-checksum-algorithm")
            .collect();
        for name in extra {
            headers.remove(name);
        }
        if let Some(md5) = md5 {
            headers.insert("content-md5", md5);
        }
        Ok(())
    }
}
