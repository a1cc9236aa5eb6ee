//! One store of one test.

use std::path::PathBuf;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use kit::{Secret, Stop};
use objectstore::{Endpoint, KeyPair, Options, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub const BUCKET: &str = "films";

pub struct Site {
    pub client: Client,
    pub folder: TempDir,
    /// Ends the endpoint when dropped.
    _running: JoinSet<()>,
}

impl Site {
    pub async fn start() -> Self {
        Self::open(tempfile::tempdir().expect("a folder"), RequestChecksumCalculation::WhenRequired).await
    }

    /// For tests that write much and cut no power.
    pub async fn start_unsynced() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::serve(folder, RequestChecksumCalculation::WhenRequired, Options { sync: false }).await
    }

    /// Opens what is in a folder.
    pub async fn open(folder: TempDir, checksums: RequestChecksumCalculation) -> Self {
        Self::serve(folder, checksums, Options::default()).await
    }

    async fn serve(folder: TempDir, checksums: RequestChecksumCalculation, options: Options) -> Self {
        let store = Store::open(folder.path(), options).expect("a store");
        let keys = KeyPair { access_key: "test".to_owned(), secret_key: Secret::new("test-secret") };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(format!("http://{}", listener.local_addr().expect("bound")))
            .region(Region::new("us-east-1"))
            .force_path_style(true)
            .credentials_provider(Credentials::new("test", "test-secret", None, None, "test"))
            .request_checksum_calculation(checksums)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let mut running = JoinSet::new();
        running.spawn(Endpoint::new(store, &keys).run(listener, Stop::new()));
        let client = Client::from_conf(config);
        let _made_before = client.create_bucket().bucket(BUCKET).send().await;
        Self { client, folder, _running: running }
    }

    /// Stops it and opens its folder again.
    pub async fn restart(self) -> Self {
        let Self { folder, mut _running, .. } = self;
        _running.shutdown().await;
        Self::open(folder, RequestChecksumCalculation::WhenRequired).await
    }

    pub async fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        let body = ByteStream::from(body.into());
        self.client.put_object().bucket(BUCKET).key(key).body(body).send().await.expect(key);
    }

    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.client.get_object().bucket(BUCKET).key(key).send().await {
            Ok(got) => Some(got.body.collect().await.expect("a whole body").to_vec()),
            Err(error) => {
                assert_eq!(said(&error), (404, "NoSuchKey".to_owned()), "{key}");
                None
            }
        }
    }

    pub async fn delete(&self, key: &str) {
        self.client.delete_object().bucket(BUCKET).key(key).send().await.expect(key);
    }

    /// Every key there is.
    pub async fn keys(&self) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(BUCKET).send().await.expect("a list");
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// What is on disk in the store's own folders, but for the folders.
    pub fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &std::path::Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                if entry.path().is_dir() { walk(&entry.path(), files) } else { files.push(entry.path()) }
            }
        }
        let mut files = Vec::new();
        walk(&self.folder.path().join("v2"), &mut files);
        files
    }

    pub fn bucket_dir(&self) -> PathBuf {
        self.folder.path().join(format!("v2/{BUCKET}%"))
    }
}

/// The status and code of an answer that says no.
pub fn said<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> (u16, String) {
    let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    (status, code.to_owned())
}

/// Bytes that repeat nowhere soon.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}
