//! An S3 endpoint inside this process, keeping objects as files: the object store, with its keys and its address.

use std::path::Path;

use anyhow::Context;
use kit::config::StorageConfig;
use kit::{Secret, Stop};
use objectstore::{Endpoint, KeyPair, Options, Store};
use tokio::net::TcpListener;

/// The endpoint, bound and ready to be run.
pub struct EmbeddedS3 {
    listener: TcpListener,
    endpoint: Endpoint,
}

/// Opens the store and puts its address and keys into the configuration.
pub async fn start(data_dir: &Path, config: &mut StorageConfig) -> anyhow::Result<EmbeddedS3> {
    let root = data_dir.join("objects");
    let options = Options { sync: config.embedded_sync };
    let store =
        Store::open(&root, options).with_context(|| format!("cannot open the object store in {}", root.display()))?;
    let secret = crate::node::read_or_create(&data_dir.join("s3-secret"), kit::ids::random_token::<20>)?;
    let keys = KeyPair { access_key: "rillcast".to_owned(), secret_key: Secret::new(secret) };
    let endpoint = Endpoint::new(store, &keys);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen for the object store")?;
    config.endpoint = format!("http://{}", listener.local_addr()?);
    config.access_key = Secret::new(keys.access_key);
    config.secret_key = keys.secret_key;
    config.path_style = true;
    Ok(EmbeddedS3 { listener, endpoint })
}

impl EmbeddedS3 {
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        self.endpoint.run(self.listener, stop).await;
        Ok(())
    }
}
