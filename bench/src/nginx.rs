//! nginx-rtmp with plain HLS on loopback, the yardstick.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

const START_WAIT_MAX: Duration = Duration::from_secs(10);

pub struct Nginx {
    child: Child,
    pub rtmp: SocketAddr,
    pub http: String,
    files: TempDir,
}

impl Nginx {
    /// Two-second fragments, as Rillcast makes; one worker process, which does all the work.
    pub async fn start() -> anyhow::Result<Self> {
        let files = tempfile::tempdir()?;
        let (rtmp, http) = (free_port()?, free_port()?);
        let root = files.path().display().to_string();
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
            daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;
            events {{ worker_connections 4096; }}
            rtmp {{ server {{ listen {rtmp}; chunk_size 4096;
                application live {{ live on; hls on; hls_path {root}/hls; hls_fragment 2s; hls_playlist_length 30s; }} }} }}
            http {{ access_log off; client_body_temp_path {root}/t; proxy_temp_path {root}/t; fastcgi_temp_path {root}/t;
                uwsgi_temp_path {root}/t; scgi_temp_path {root}/t; sendfile on;
                server {{ listen {http}; location / {{ root {root}/hls; }} }} }}"
        );
        let path = files.path().join("nginx.conf");
        std::fs::create_dir(files.path().join("hls"))?;
        std::fs::write(&path, config)?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&path)
            .args(["-p", &root])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("nginx is not installed")?;
        let until = Instant::now() + START_WAIT_MAX;
        while tokio::net::TcpStream::connect(rtmp).await.is_err() {
            if Instant::now() > until {
                bail!("nginx does not listen: {}", std::fs::read_to_string(files.path().join("error.log"))?);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, rtmp, http: format!("http://{http}"), files })
    }

    /// Puts a file where its HTTP side finds it.
    pub fn publish_file(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(std::fs::write(self.files.path().join("hls").join(name), bytes)?)
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
