//! An S3 endpoint inside this process, keeping objects as files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use kit::config::StorageConfig;
use kit::{Secret, Stop};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

const CONNECTIONS_MAX: usize = 512;
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// The endpoint, bound and ready to be run.
pub struct EmbeddedS3 {
    listener: TcpListener,
    service: S3Service,
}

/// Opens the store and puts its address and keys into the configuration.
pub async fn start(data_dir: &Path, config: &mut StorageConfig) -> anyhow::Result<EmbeddedS3> {
    let root = data_dir.join("objects");
    std::fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let store = FileSystem::new(&root).map_err(|error| anyhow::anyhow!("cannot open the object store: {error:?}"))?;
    let secret = crate::node::read_or_create(&data_dir.join("s3-secret"), kit::ids::random_token::<20>)?;
    let access = "rillcast".to_owned();
    let mut builder = S3ServiceBuilder::new(store);
    builder.set_auth(SimpleAuth::from_single(access.clone(), secret.clone()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen for the object store")?;
    config.endpoint = format!("http://{}", listener.local_addr()?);
    config.access_key = Secret::new(access);
    config.secret_key = Secret::new(secret);
    config.path_style = true;
    Ok(EmbeddedS3 { listener, service: builder.build() })
}

impl EmbeddedS3 {
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let server = Builder::new(TokioExecutor::new());
        let graceful = GracefulShutdown::new();
        let tracker = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await?;
            let socket = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) => socket,
                    Err(error) => {
                        tracing::warn!(%error, "the object store cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            let connection = server.serve_connection(TokioIo::new(socket), self.service.clone()).into_owned();
            let connection = graceful.watch(connection);
            tracker.spawn(async move {
                let _ended = connection.await;
                drop(slot);
            });
        }
        tracker.close();
        let _cut = tokio::time::timeout(DRAIN_WAIT_MAX, graceful.shutdown()).await;
        Ok(())
    }
}
