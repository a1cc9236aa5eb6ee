//! The client: puts, gets, deletes and presigned links.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{ReconnectMode, RetryConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Delete, Object as Listed, ObjectIdentifier,
};
use bytes::Bytes;
use futures::stream::{self, TryStreamExt};
use kit::config::StorageConfig;
use kit::retry::Backoff;

use crate::dialect::Md5ForDeleteObjects;
use crate::error::{ObjectsError, Result};
use crate::once::{FileUpload, Once, Upload};
use crate::read::{Meta, Object, body_of, length, seconds};

pub(crate) const CONNECT_WAIT_MAX: Duration = Duration::from_secs(3);
/// From a request's last byte to the answer's head.
const ATTEMPT_WAIT_MAX: Duration = Duration::from_secs(15);
/// All attempts of an interactive call.
const OPERATION_WAIT_MAX: Duration = Duration::from_secs(30);
/// Attempts of an interactive call, the first included.
const ATTEMPTS_MAX: u32 = 3;
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// An upload slower than this, in bytes per second, is cut and tried again.
const UPLOAD_BYTES_PER_S_MIN: u64 = 16 * 1024;
/// Objects one DeleteObjects call names; S3 takes 1,000.
const DELETE_BATCH: i32 = 1_000;
/// Single deletes in flight where a store has no DeleteObjects.
const DELETES_IN_FLIGHT: usize = 8;
/// S3's own bound for presigned links.
const PRESIGN_TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The bucket. Cheap to clone; all clones share connections.
#[derive(Clone, Debug)]
pub struct Objects {
    pub(crate) client: Client,
    /// For callers that bring their own retry.
    pub(crate) once: Once,
    pub(crate) bucket: Arc<str>,
    region: Arc<str>,
}

/// An object to be written.
#[derive(Debug, Clone)]
pub struct NewObject<'a> {
    pub key: &'a str,
    pub body: Bytes,
    pub content_type: &'a str,
    pub cache_control: &'a str,
}

impl Objects {
    /// Makes the client. Talks to nobody yet.
    pub fn new(config: &StorageConfig) -> Result<Self> {
        if config.endpoint.is_empty() {
            return Err(ObjectsError::Settings("storage.endpoint is empty"));
        }
        if config.bucket.is_empty() {
            return Err(ObjectsError::Settings("storage.bucket is empty"));
        }
        let credentials = Credentials::new(
            config.access_key.expose(),
            config.secret_key.expose(),
            None,
            None,
            "rillcast configuration",
        );
        let once = Once::new(config, credentials.clone())?;
        let sdk = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(config.endpoint.trim_end_matches('/'))
            .region(Region::new(config.region.clone()))
            .force_path_style(config.path_style)
            .credentials_provider(credentials)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(Md5ForDeleteObjects)
            // Slowness has its own limits here: attempts by size, bodies by chunk.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS_MAX)
                    .with_initial_backoff(BACKOFF_FIRST)
                    .with_max_backoff(BACKOFF_MAX)
                    .with_reconnect_mode(ReconnectMode::ReconnectOnTransientError),
            )
            .timeout_config(timeouts(ATTEMPT_WAIT_MAX, OPERATION_WAIT_MAX))
            .build();
        Ok(Self {
            client: Client::from_conf(sdk),
            once,
            bucket: config.bucket.as_str().into(),
            region: config.region.as_str().into(),
        })
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Writes an object, trying up to three times. Overwrites.
    pub async fn put(&self, object: NewObject<'_>) -> Result<()> {
        let attempt = attempt_wait(object.body.len() as u64);
        let settings = Builder::new().timeout_config(timeouts(attempt, attempt * ATTEMPTS_MAX));
        let key = object.key;
        let sent = self.filled(object).customize().config_override(settings).send().await;
        sent.map(|_| ()).map_err(|error| ObjectsError::sort("put", key, error))
    }

    /// Writes an object with one attempt: for callers that keep the bytes and own the retry.
    ///
    /// Safe to repeat: the key's bytes are the same, and the signature covers their SHA-256, so a store keeps no body that
    /// was cut short or changed on the way.
    pub async fn put_once(&self, upload: &Upload<'_>) -> Result<()> {
        self.once.put(upload).await
    }

    /// Writes an object from a file, trying up to three times. Overwrites. No more than a piece of the file is held at a time, and the
    /// signature covers its SHA-256.
    pub async fn put_file(&self, upload: &FileUpload<'_>) -> Result<()> {
        let mut backoff = Backoff::new(BACKOFF_FIRST, BACKOFF_MAX);
        let mut attempts = 1;
        loop {
            match self.once.put_file(upload).await {
                Err(error) if error.is_unavailable() && attempts < ATTEMPTS_MAX => attempts += 1,
                done => return done,
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    fn filled(&self, object: NewObject<'_>) -> PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&*self.bucket)
            .key(object.key)
            .content_type(object.content_type)
            .cache_control(object.cache_control)
            .body(ByteStream::from(object.body))
    }

    /// Opens an object. `range` is the value of an HTTP `Range` header, passed on as it is.
    pub async fn get(&self, key: &str, range: Option<&str>) -> Result<Object> {
        let got = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(key)
            .set_range(range.map(str::to_owned))
            .send()
            .await
            .map_err(|error| ObjectsError::sort("get", key, error))?;
        Ok(Object {
            meta: Meta {
                content_length: length(got.content_length),
                content_type: got.content_type,
                cache_control: got.cache_control,
                etag: got.e_tag,
                last_modified_s: seconds(got.last_modified.as_ref()),
            },
            content_range: got.content_range,
            body: body_of(got.body),
        })
    }

    /// What the bucket knows of an object.
    pub async fn head(&self, key: &str) -> Result<Meta> {
        let got = self
            .client
            .head_object()
            .bucket(&*self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| ObjectsError::sort("head", key, error))?;
        Ok(Meta {
            content_length: length(got.content_length),
            content_type: got.content_type,
            cache_control: got.cache_control,
            etag: got.e_tag,
            last_modified_s: seconds(got.last_modified.as_ref()),
        })
    }

    /// Deletes an object. One that is not there counts as deleted.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.client.delete_object().bucket(&*self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) => match ObjectsError::sort("delete", key, error) {
                ObjectsError::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Deletes everything below `prefix`, which must end with a slash. Returns how many objects went.
    ///
    /// Safe to repeat after a failure in the middle.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<u64> {
        if prefix.len() < 2 || !prefix.ends_with('/') {
            return Err(ObjectsError::Settings("a prefix to delete must name a folder"));
        }
        let mut gone = 0;
        let mut singly = false;
        let mut before = Vec::new();
        loop {
            let keys = self.list_page(prefix).await?;
            if keys.is_empty() {
                return Ok(gone);
            }
            if keys == before {
                let source = "objects are still listed after they were deleted".into();
                return Err(ObjectsError::Unavailable { what: format!("delete below {prefix}"), source });
            }
            if !singly {
                match self.delete_batch(prefix, &keys).await {
                    Ok(()) => {}
                    Err(ObjectsError::Refused { .. }) => singly = true,
                    Err(error) => return Err(error),
                }
            }
            if singly {
                stream::iter(keys.iter().map(Ok))
                    .try_for_each_concurrent(DELETES_IN_FLIGHT, |key| self.delete(key))
                    .await?;
            }
            gone += u64::try_from(keys.len()).unwrap_or(0);
            before = keys;
        }
    }

    /// The first keys below `prefix`. Listing is consistent, so what was deleted is not listed again.
    async fn list_page(&self, prefix: &str) -> Result<Vec<String>> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&*self.bucket)
            .prefix(prefix)
            .max_keys(DELETE_BATCH)
            .send()
            .await
            .map_err(|error| ObjectsError::sort("list", prefix, error))?;
        Ok(page.contents().iter().filter_map(Listed::key).map(str::to_owned).collect())
    }

    async fn delete_batch(&self, prefix: &str, keys: &[String]) -> Result<()> {
        let identifiers = keys
            .iter()
            .map(|key| ObjectIdentifier::builder().key(key).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ObjectsError::Settings("an object without a key"))?;
        let delete = Delete::builder()
            .set_objects(Some(identifiers))
            .quiet(true)
            .build()
            .map_err(|_| ObjectsError::Settings("nothing to delete"))?;
        let done = self
            .client
            .delete_objects()
            .bucket(&*self.bucket)
            .delete(delete)
            .send()
            .await
            .map_err(|error| ObjectsError::sort("delete below", prefix, error))?;
        match done.errors().iter().find(|error| error.code() != Some("NoSuchKey")) {
            None => Ok(()),
            Some(error) => Err(ObjectsError::Refused {
                what: format!("delete {}", error.key().unwrap_or(prefix)),
                status: 200,
                code: error.code().unwrap_or_default().to_owned(),
                source: error.message().unwrap_or_default().into(),
            }),
        }
    }

    /// A link that gets an object without credentials for `ttl`, at most seven days. Talks to nobody.
    pub async fn presign_get(&self, key: &str, ttl: Duration) -> Result<String> {
        let ttl = ttl.clamp(Duration::from_secs(1), PRESIGN_TTL_MAX);
        let config = PresigningConfig::expires_in(ttl)
            .map_err(|_| ObjectsError::Settings("storage.presign_ttl_s is out of range"))?;
        let request = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(key)
            .presigned(config)
            .await
            .map_err(|error| ObjectsError::sort("presign", key, error))?;
        Ok(request.uri().to_owned())
    }

    /// Makes the bucket unless it is there.
    pub async fn ensure_bucket(&self) -> Result<()> {
        match self.ping().await {
            Err(ObjectsError::NotFound { .. }) => {}
            other => return other,
        }
        let place = (&*self.region != "us-east-1" && !self.region.is_empty()).then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(&*self.region))
                .build()
        });
        let made =
            self.client.create_bucket().bucket(&*self.bucket).set_create_bucket_configuration(place).send().await;
        match made.map_err(|error| ObjectsError::sort("create", &self.bucket, error)) {
            // Somebody else was faster.
            Err(ObjectsError::Refused { status: 409, .. }) => self.ping().await,
            other => other.map(|_| ()),
        }
    }

    /// Asks for a sign of life, and whether our credentials open the bucket.
    pub async fn ping(&self) -> Result<()> {
        self.client
            .head_bucket()
            .bucket(&*self.bucket)
            .send()
            .await
            .map_err(|error| ObjectsError::sort("open", &self.bucket, error))?;
        Ok(())
    }
}

/// How long one attempt may take: longer for larger bodies.
pub(crate) fn attempt_wait(bytes: u64) -> Duration {
    ATTEMPT_WAIT_MAX + Duration::from_secs(bytes / UPLOAD_BYTES_PER_S_MIN)
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_WAIT_MAX)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}
