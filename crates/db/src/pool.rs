//! The connection pool: how we reach Postgres and how long we wait for it.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use kit::config::DatabaseConfig;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::error::Result;
use crate::pulse::Pulse;
use crate::warm;

pub type Pool = sqlx::PgPool;
pub type Conn = sqlx::PgConnection;
pub type Tx = sqlx::Transaction<'static, sqlx::Postgres>;

/// A request would rather hear 503 than wait longer for a connection (reliability C3).
const ACQUIRE_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// A connection somebody has just used is given on without asking whether it is alive: that question would cost each request a
/// way to Postgres and back, and a connection for as long. For longer, [`Pulse`] has to vouch for it.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Kept open, however quiet it is: opening one takes four ways to Postgres and back, and it begins without prepared statements.
const CONNECTIONS_KEPT: u32 = 6;
/// A statement of ours that runs longer than this is a fault, not a slow answer.
const STATEMENT_MS_MAX: &str = "10000";
/// A dead client's transaction must not hold locks.
const IDLE_IN_TX_MS_MAX: &str = "15000";

/// Makes the pool. Connections open when first needed, so this succeeds while Postgres is still starting.
pub fn connect(config: &DatabaseConfig) -> Result<Pool> {
    let options = PgConnectOptions::from_str(config.url.expose())?
        .application_name("rillcast")
        .options([("statement_timeout", STATEMENT_MS_MAX), ("idle_in_transaction_session_timeout", IDLE_IN_TX_MS_MAX)]);
    let kept = CONNECTIONS_KEPT.min(config.connections_max / 2);
    let pulse = Pulse::start(options.clone());
    let nearness = Arc::clone(&pulse);
    let pool = PgPoolOptions::new()
        .max_connections(config.connections_max)
        .min_connections(kept)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
        .idle_timeout(Duration::from_secs(300))
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            // Somebody waits for this connection: while Postgres is far away they have waited long enough.
            let is_near = nearness.is_near();
            Box::pin(async move {
                if is_near && let Err(error) = warm::up(conn).await {
                    // Before the first migration there is nothing to ask.
                    tracing::debug!(%error, "a new connection was not warmed up");
                }
                Ok(())
            })
        })
        .before_acquire(move |conn, known| {
            let is_trusted = known.idle_for <= TRUSTED_FOR || pulse.vouches_for(known.idle_for);
            Box::pin(async move {
                if !is_trusted {
                    sqlx::Connection::ping(conn).await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    open(pool.clone(), kept);
    Ok(pool)
}

/// Opens what is kept open before anybody needs it. The driver would get there only when it looks for what is idle.
#[expect(clippy::disallowed_methods, reason = "it ends with the first of few connections that does not open in time")]
fn open(pool: Pool, kept: u32) {
    tokio::spawn(async move {
        let mut held = Vec::new();
        for _ in 0..kept {
            match pool.acquire().await {
                Ok(conn) => held.push(conn),
                Err(error) => return tracing::debug!(%error, "connections open when they are needed"),
            }
        }
    });
}

/// A small pool to the same database, for a library that begins transactions itself: what it leaves open stays its own.
pub fn beside(pool: &Pool, connections_max: u32) -> Pool {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
        .connect_lazy_with((*pool.connect_options()).clone())
}

/// Begins a transaction. A caller may give up at any moment.
///
/// The driver loses sight of a `BEGIN` whose answer nobody waited for: its connection would go back to the pool inside a
/// transaction, and what the next borrower writes would be rolled back with it. So every `BEGIN` runs to its end, and a
/// transaction nobody takes is rolled back like any other that is dropped.
#[expect(clippy::disallowed_methods, reason = "it must outlive its caller; the pool's deadlines bound it")]
pub async fn begin(pool: &Pool) -> Result<Tx> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin().await });
    Ok(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
}

pub async fn commit(tx: Tx) -> Result<()> {
    Ok(tx.commit().await?)
}

/// Asks for a sign of life.
pub async fn ping(pool: &Pool) -> Result<()> {
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}

/// Creates a database unless it is there. `admin_url` names one that is, such as `postgres`.
pub async fn ensure_database(admin_url: &kit::Secret, name: &str) -> Result<()> {
    use sqlx::Connection;
    let legal = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !legal {
        return Err(crate::DbError::Corrupt { what: "database name" });
    }
    let mut conn = crate::Conn::connect(admin_url.expose()).await?;
    let there =
        sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name).fetch_optional(&mut conn).await?;
    if there.is_none() {
        // The name is one of ours and was checked above: an identifier cannot be a parameter.
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut conn).await?;
    }
    Ok(conn.close().await?)
}

/// Brings the schema up to date. Safe to run from several nodes at once.
pub async fn migrate(pool: &Pool) -> Result<()> {
    crate::MIGRATOR.run(pool).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => error.into(),
        other => crate::DbError::Failed(sqlx::Error::Migrate(Box::new(other))),
    })
}
