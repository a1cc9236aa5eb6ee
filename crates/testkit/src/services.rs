//! Where tests find the real services, and a database of their own.
//!
//! Owns no service: whoever runs the tests starts them and may name them in `RILLCAST_TEST_DATABASE_URL` and
//! `RILLCAST_TEST_REDIS_URL`. A MinIO is asked as well when `RILLCAST_TEST_MINIO_URL` names one
//! (`http://user:password@host:port`).

use kit::Secret;
use kit::config::StorageConfig;

const DATABASE_URL: &str = "postgres://postgres@127.0.0.1:55432/postgres";
const REDIS_URL: &str = "redis://127.0.0.1:56379";

/// Address of the Postgres server's maintenance database.
pub fn admin_database_url() -> String {
    variable("RILLCAST_TEST_DATABASE_URL").unwrap_or_else(|| DATABASE_URL.to_owned())
}

/// Address of the Redis server. Tests keep apart by [`redis_prefix`].
pub fn redis_url() -> String {
    variable("RILLCAST_TEST_REDIS_URL").unwrap_or_else(|| REDIS_URL.to_owned())
}

/// A prefix nobody else uses.
pub fn redis_prefix() -> String {
    format!("test:{}:", kit::ids::random_token::<8>())
}

/// A bucket nobody else uses, on the MinIO the environment names; `None` when it names none. The bucket is yet to be made.
///
/// # Panics
/// When what the environment names is no URL.
pub fn minio() -> Option<StorageConfig> {
    let url = variable("RILLCAST_TEST_MINIO_URL")?;
    let url = reqwest::Url::parse(&url).expect("RILLCAST_TEST_MINIO_URL is a URL");
    let host = url.host_str().unwrap_or("127.0.0.1");
    Some(StorageConfig {
        endpoint: format!("{}://{host}:{}", url.scheme(), url.port().unwrap_or(9_000)),
        bucket: format!("rillcast-{}", kit::ids::uuid()),
        access_key: Secret::new(url.username()),
        secret_key: Secret::new(url.password().unwrap_or_default()),
        ..StorageConfig::default()
    })
}

#[expect(clippy::disallowed_methods, reason = "tests are told of services by the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A database of one test. Dropped with this value.
#[derive(Debug)]
pub struct DatabaseGuard {
    admin_url: String,
    name: String,
}

/// A fresh database with the whole schema: its address, and the guard that drops it.
///
/// # Panics
/// When Postgres does not answer: a test that needs it cannot go on.
pub async fn database() -> (String, DatabaseGuard) {
    let admin_url = admin_database_url();
    let name = format!("rillcast_test_{}", kit::ids::random_token::<8>());
    let url = db::testing::create_from_template(&admin_url, &name).await.unwrap_or_else(|error| {
        panic!("no test database from {admin_url}: {error}: {:?}", std::error::Error::source(&error))
    });
    (url, DatabaseGuard { admin_url, name })
}

impl Drop for DatabaseGuard {
    fn drop(&mut self) {
        let (admin_url, name) = (self.admin_url.clone(), self.name.clone());
        // The test's own runtime may be shutting down, so the drop gets a thread and a runtime of its own.
        let dropper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(db::testing::drop_database(&admin_url, &name)).map_err(std::io::Error::other)
        });
        if !matches!(dropper.join(), Ok(Ok(()))) {
            eprintln!("a test database was left behind: {}", self.name);
        }
    }
}
