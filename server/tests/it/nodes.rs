//! A site whose roles are processes of their own, on services an operator brings.

use testkit::s3::S3Server;
use testkit::services::{self, DatabaseGuard};
use testkit::stack::Process;

use crate::EXE;

/// What the nodes of one site share.
pub struct Site {
    shared: Vec<(String, String)>,
    data: tempfile::TempDir,
    _s3: S3Server,
    _database: DatabaseGuard,
}

impl Site {
    /// A database, a Redis prefix and a bucket of its own (on a MinIO where the environment names one).
    pub async fn start() -> Self {
        let s3 = S3Server::start().await.expect("a bucket");
        let storage = services::minio().unwrap_or_else(|| s3.config());
        let (database_url, guard) = services::database().await;
        let site = Self { shared: Vec::new(), data: tempfile::tempdir().expect("a folder"), _s3: s3, _database: guard };
        site.set("http.listen", "127.0.0.1:0")
            .set("ingest.listen", "127.0.0.1:0")
            .set("auth.secret", "one secret for all nodes of this site")
            .set("database.url", &database_url)
            .set("redis.url", &services::redis_url())
            .set("redis.prefix", &services::redis_prefix())
            .set("storage.endpoint", &storage.endpoint)
            .set("storage.bucket", &storage.bucket)
            .set("storage.access_key", storage.access_key.expose())
            .set("storage.secret_key", storage.secret_key.expose())
            .set("transcoder.ladder", "none")
            .set("limits.register_per_ip_per_hour", "1000")
    }

    /// Sets a configuration key of all nodes started from now on.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        let name = variable(key);
        self.shared.retain(|(known, _)| *known != name);
        self.shared.push((name, value.to_owned()));
        self
    }

    /// How many bytes a node's recorder has written.
    pub fn spooled_bytes(&self, node: &str) -> u64 {
        let mut folders = vec![self.data.path().join(node).join("spool")];
        let mut bytes = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(known) if known.is_dir() => folders.push(entry.path()),
                    known => bytes += known.map_or(0, |known| known.len()),
                }
            }
        }
        bytes
    }

    /// Starts a node with a data folder of that name; again, after it was killed.
    pub async fn node(&self, name: &str, roles: &str, own: &[(&str, &str)]) -> Process {
        let data = self.data.path().join(name).display().to_string();
        let mut variables = self.shared.clone();
        variables.extend([("data_dir", data.as_str())].iter().chain(own).map(|(key, value)| {
            let name = variable(key);
            (name, (*value).to_owned())
        }));
        let arguments = ["serve", "--roles", roles].map(str::to_owned);
        Process::start(EXE.as_ref(), &arguments, &variables).await.expect(roles)
    }
}

fn variable(key: &str) -> String {
    format!("RILLCAST__{}", key.to_uppercase().replace('.', "__"))
}
