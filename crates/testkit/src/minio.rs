//! MinIO, the store most self-hosters who do not take the embedded one have.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kit::Secret;
use kit::config::StorageConfig;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const START_WAIT_MAX: Duration = Duration::from_secs(30);

/// One of the test's own, on a port of the kernel's choice. It is gone when dropped.
#[derive(Debug)]
pub struct Minio {
    _child: Child,
    _files: TempDir,
    /// How to reach it. The bucket is yet to be made, as a site does when it starts.
    pub config: StorageConfig,
}

impl Minio {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// When it is missing or does not start: a test that needs it cannot go on.
    pub async fn start() -> Self {
        let exe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/minio/minio");
        assert!(exe.exists(), "{} is missing: ./dev bench library and ./dev bench faults build it", exe.display());
        let files = tempfile::tempdir().expect("a temporary folder");
        let (address, console) = (free_port(), free_port());
        let child = Command::new(exe)
            .args(["server", "--quiet", "--address", &address.to_string()])
            .args(["--console-address", &console.to_string()])
            .arg(files.path())
            .env("MINIO_ROOT_USER", "rillcast-test")
            .env("MINIO_ROOT_PASSWORD", "rillcast-test-secret")
            // It tells nobody of itself.
            .env("MINIO_CALLHOME_ENABLE", "off")
            .env("MINIO_UPDATE", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("MinIO starts");
        let config = StorageConfig {
            endpoint: format!("http://{address}"),
            bucket: "rillcast-test".to_owned(),
            access_key: Secret::new("rillcast-test"),
            secret_key: Secret::new("rillcast-test-secret"),
            path_style: true,
            ..StorageConfig::default()
        };
        let health = format!("{}/minio/health/ready", config.endpoint);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let until = Instant::now() + START_WAIT_MAX;
        while !client.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(Instant::now() < until, "MinIO does not answer");
            sleep(Duration::from_millis(50)).await;
        }
        Self { _child: child, _files: files, config }
    }
}

fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}
