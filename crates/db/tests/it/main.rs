//! What the pool promises whatever becomes of its callers, on a real Postgres.

mod analytics;

use kit::Secret;
use kit::config::DatabaseConfig;
use testkit::services;

const TRIES: usize = 60;

#[tokio::test]
async fn a_caller_that_gives_up_while_a_transaction_begins_takes_nothing_with_it() {
    let (url, _guard) = services::database().await;
    // With one connection, whoever comes next gets the one that was given up.
    let config = DatabaseConfig { url: Secret::new(url.clone()), connections_max: 1 };
    let pool = db::pool::connect(&config).unwrap();
    let watcher = db::testing::pool(&url).unwrap();
    db::testing::execute(&pool, "CREATE TABLE notes (note bigint)").await.unwrap();
    // Given up ever later: before the connection is there, before BEGIN is sent, before it is answered.
    for polls in 0..TRIES {
        let mut begin = Box::pin(db::begin(&pool));
        for _ in 0..polls {
            tokio::select! {
                biased;
                _ = begin.as_mut() => break,
                () = tokio::task::yield_now() => {}
            }
        }
        drop(begin);
        db::testing::execute(&pool, &format!("INSERT INTO notes VALUES ({polls})")).await.unwrap();
        let notes = db::testing::rows(&watcher, "SELECT note FROM notes").await.unwrap();
        assert_eq!(notes.len(), polls + 1, "what was written after attempt {polls} is not there for others");
    }
}
