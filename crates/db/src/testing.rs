//! Databases for tests: one per test, cloned from a template that has the schema. Only built with the feature `testing`.
//!
//! Also lets tests of other rooms look at rows without naming a database driver. Nothing here may run in production.

use std::str::FromStr;

use domain::UserId;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::error::{DbError, Result};
use crate::{Conn, MIGRATOR, Pool};

/// Only one process at a time makes the template.
const TEMPLATE_LOCK: i64 = 0x7269_6c6c_7465;

/// Makes the database `name` with the schema in it and returns its address. The template is made when it is missing or when
/// the migrations have changed.
pub async fn create_from_template(admin_url: &str, name: &str) -> Result<String> {
    let mut admin = connect(admin_url).await?;
    let template = template_name();
    let mut attempt = 0;
    loop {
        ensure_template(&mut admin, admin_url, &template).await?;
        match execute_on(&mut admin, &format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#)).await {
            Ok(()) => break,
            // Somebody (autovacuum, or a clone that began a moment ago) is still connected to the template.
            Err(error) if attempt < 50 && is_in_use(&error) => {
                attempt += 1;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
    admin.close().await?;
    Ok(url_of(admin_url, name))
}

/// Drops a test's database, whoever is connected to it.
pub async fn drop_database(admin_url: &str, name: &str) -> Result<()> {
    let mut admin = connect(admin_url).await?;
    execute_on(&mut admin, &format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#)).await?;
    admin.close().await?;
    Ok(())
}

/// A small pool that waits as little as the product's.
pub fn pool(url: &str) -> Result<Pool> {
    Ok(PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(std::time::Duration::from_millis(1_500))
        .connect_lazy_with(PgConnectOptions::from_str(url)?.disable_statement_logging()))
}

/// The rows of any query, each as a JSON object.
pub async fn rows(pool: &Pool, query: &str) -> Result<Vec<Value>> {
    let wrapped = format!("SELECT to_jsonb(q) FROM ({query}) q");
    Ok(sqlx::query_scalar(AssertSqlSafe(wrapped)).fetch_all(pool).await?)
}

/// Runs statements as they are.
pub async fn execute(pool: &Pool, statements: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(pool).await?;
    Ok(())
}

/// A member with a channel whose stream key has the SHA-256 digest `key_digest`.
pub async fn add_channel(pool: &Pool, username: &str, key_digest: &[u8; 32]) -> Result<UserId> {
    let id = kit::ids::uuid();
    sqlx::query(
        "INSERT INTO users (user_id, username, display_name, email, password_hash)
         VALUES ($1, $2, $2, $2 || '@test.example', 'none')",
    )
    .bind(id)
    .bind(username)
    .execute(pool)
    .await?;
    sqlx::query("INSERT INTO channels (channel_id, stream_key_hash, stream_key_sealed) VALUES ($1, $2, '')")
        .bind(id)
        .bind(&key_digest[..])
        .execute(pool)
        .await?;
    Ok(UserId::from_uuid(id))
}

/// Gives a member `count` completed files: every other one in the top folder, the rest in two thousand folders, each tenth in the trash.
/// Their bytes are nowhere. The table is left as autovacuum would leave it.
pub async fn add_files(pool: &Pool, owner: &str, count: i32) -> Result<()> {
    let mut conn = pool.acquire().await?;
    sqlx::query(
        "INSERT INTO files (file_id, owner_id, folder, name, visibility, kind, bytes, changed_at, trashed_at)
         SELECT gen_random_uuid(), $1::uuid, CASE WHEN i % 2 = 0 THEN '/' ELSE '/folder ' || i % 4000 || '/' END,
                md5(i::text) || '.jpg', 'private', 'image', 1 + i * 7919 % 1000003, now() - i * interval '1 minute',
                CASE WHEN i % 10 = 9 THEN now() END
           FROM generate_series(1, $2) AS i",
    )
    .bind(owner)
    .bind(count)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(
        "INSERT INTO file_versions (version_id, file_id, number, state, name, mime, bytes)
         SELECT gen_random_uuid(), file_id, 1, 'completed', name, 'image/jpeg', bytes FROM files;
         UPDATE files SET version_id = v.version_id, versions = 1 FROM file_versions v WHERE v.file_id = files.file_id",
    )
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql("VACUUM (ANALYZE) files").execute(&mut *conn).await?;
    sqlx::raw_sql("VACUUM (ANALYZE) file_versions").execute(&mut *conn).await?;
    Ok(())
}

async fn ensure_template(admin: &mut Conn, admin_url: &str, template: &str) -> Result<()> {
    let find = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)";
    if sqlx::query_scalar::<_, bool>(find).bind(template).fetch_one(&mut *admin).await? {
        return Ok(());
    }
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut *admin).await?;
    let made = make_template(admin, admin_url, template).await;
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(TEMPLATE_LOCK).execute(&mut *admin).await?;
    made
}

async fn make_template(admin: &mut Conn, admin_url: &str, template: &str) -> Result<()> {
    let find = "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate)";
    if sqlx::query_scalar::<_, bool>(find).bind(template).fetch_one(&mut *admin).await? {
        return Ok(());
    }
    // A half-made one may be left from a run that was killed; only a finished one is marked as a template.
    execute_on(admin, &format!(r#"DROP DATABASE IF EXISTS "{template}" WITH (FORCE)"#)).await?;
    execute_on(admin, &format!(r#"CREATE DATABASE "{template}""#)).await?;
    let mut conn = connect(&url_of(admin_url, template)).await?;
    MIGRATOR.run(&mut conn).await.map_err(|error| DbError::Failed(sqlx::Error::Migrate(Box::new(error))))?;
    conn.close().await?;
    execute_on(admin, &format!(r#"ALTER DATABASE "{template}" IS_TEMPLATE true"#)).await
}

/// Changes with the migrations, so that an old template is never used for a new schema.
fn template_name() -> String {
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325;
    for migration in MIGRATOR.iter() {
        for byte in migration.checksum.iter() {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("rillcast_template_{sum:016x}")
}

/// `admin_url` with another database in its path.
fn url_of(admin_url: &str, name: &str) -> String {
    let (base, query) = match admin_url.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (admin_url, String::new()),
    };
    let host_at = base.find("://").map_or(0, |at| at + 3);
    let end = base[host_at..].find('/').map_or(base.len(), |at| host_at + at);
    format!("{}/{name}{query}", &base[..end])
}

fn is_in_use(error: &DbError) -> bool {
    // 55006: object_in_use.
    matches!(error, DbError::Failed(sqlx::Error::Database(database)) if database.code().as_deref() == Some("55006"))
}

async fn connect(url: &str) -> Result<Conn> {
    Ok(Conn::connect(url).await?)
}

async fn execute_on(conn: &mut Conn, statement: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_in_an_address_is_replaced() {
        assert_eq!(url_of("postgres://u@h:1/postgres?a=b", "t"), "postgres://u@h:1/t?a=b");
        assert_eq!(url_of("postgres://u@h:1", "t"), "postgres://u@h:1/t");
    }
}
