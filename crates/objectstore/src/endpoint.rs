//! The store on a socket.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use kit::{Secret, Stop};
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::disk::Store;

const CONNECTIONS_MAX: usize = 512;
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(1);
/// Between two looks for uploads nobody goes on with.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// A list of 1,000 keys to delete, or of 10,000 parts to join.
const XML_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Uploads by HTML form are not taken. `s3s` gathers one in memory before it asks.
const FORM_BYTES_MAX: usize = 64 * 1_024;

/// Who may use the store.
#[derive(Debug, Clone)]
pub struct KeyPair {
    pub access_key: String,
    pub secret_key: Secret,
}

/// A store that answers requests, ready to be run.
pub struct Endpoint {
    store: Store,
    service: S3Service,
}

impl Endpoint {
    pub fn new(store: Store, keys: &KeyPair) -> Self {
        let mut config = S3Config::default();
        config.xml_max_body_size = XML_BYTES_MAX;
        config.post_object_max_file_size = 0;
        config.form_max_field_size = FORM_BYTES_MAX;
        config.form_max_fields_size = FORM_BYTES_MAX;
        let mut builder = S3ServiceBuilder::new(store.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(SimpleAuth::from_single(keys.access_key.clone(), keys.secret_key.expose().to_owned()));
        Self { store, service: builder.build() }
    }

    /// Answers until the stop.
    pub async fn run(self, listener: TcpListener, stop: Stop) {
        let mut server = Builder::new(TokioExecutor::new());
        // The header's clock stands still until a clock that was set back has caught up, and clients correct theirs by it:
        // for an hour every request would be signed for another time than the one we see.
        server.http1().auto_date_header(false);
        server.http2().auto_date_header(false);
        let graceful = GracefulShutdown::new();
        let tracker = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
            let socket = loop {
                tokio::select! {
                    () = stop.cancelled() => break None,
                    _ = sweeps.tick() => self.sweep().await,
                    accepted = listener.accept() => match accepted {
                        Ok((socket, _)) => break Some(socket),
                        Err(error) => {
                            tracing::warn!(%error, "the object store cannot accept a connection");
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                    },
                }
            };
            let Some(socket) = socket else { break };
            let _a_little_slower_otherwise = socket.set_nodelay(true);
            let connection = server.serve_connection(TokioIo::new(socket), self.service.clone()).into_owned();
            let connection = graceful.watch(connection);
            tracker.spawn(async move {
                let _ended = connection.await;
                drop(slot);
            });
        }
        tracker.close();
        let _cut = tokio::time::timeout(DRAIN_WAIT_MAX, graceful.shutdown()).await;
    }

    async fn sweep(&self) {
        match self.store.sweep(kit::clock::now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed uploads that nobody went on with"),
            Err(error) => tracing::warn!(%error, "cannot look for abandoned uploads"),
        }
    }
}
