//! The connection pool: how we reach Postgres and how long we wait for it.

use std::str::FromStr;
use std::time::Duration;

use kit::config::DatabaseConfig;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::error::Result;

pub type Pool = sqlx::PgPool;
pub type Conn = sqlx::PgConnection;
pub type Tx = sqlx::Transaction<'static, sqlx::Postgres>;

/// A request would rather hear 503 than wait longer for a connection (reliability C3).
const ACQUIRE_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// A statement of ours that runs longer than this is a fault, not a slow answer.
const STATEMENT_MS_MAX: &str = "10000";
/// A dead client's transaction must not hold locks.
const IDLE_IN_TX_MS_MAX: &str = "15000";

/// Makes the pool. Connections open when first needed, so this succeeds while Postgres is still starting.
pub fn connect(config: &DatabaseConfig) -> Result<Pool> {
    let options = PgConnectOptions::from_str(config.url.expose())?
        .application_name("rillcast")
        .options([("statement_timeout", STATEMENT_MS_MAX), ("idle_in_transaction_session_timeout", IDLE_IN_TX_MS_MAX)]);
    Ok(PgPoolOptions::new()
        .max_connections(config.connections_max)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
        .idle_timeout(Duration::from_secs(300))
        .connect_lazy_with(options))
}

/// Begins a transaction.
pub async fn begin(pool: &Pool) -> Result<Tx> {
    Ok(pool.begin().await?)
}

pub async fn commit(tx: Tx) -> Result<()> {
    Ok(tx.commit().await?)
}

/// Asks for a sign of life.
pub async fn ping(pool: &Pool) -> Result<()> {
    sqlx::query("SELECT 1").execute(pool).await?;
    Ok(())
}
