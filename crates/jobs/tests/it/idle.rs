//! What a site costs on which nothing happens.

use std::time::Duration;

use super::Site;

/// What is asked four times a second by each queue, and what else looks for work now and then; two workers that wake each other ask several times as often.
const TRANSACTIONS_PER_S_MAX: i64 = 60;
const WATCHED: Duration = Duration::from_secs(4);

#[tokio::test]
async fn workers_without_work_leave_the_database_alone() {
    let site = Site::start(|_| {}).await;
    let (_tasks, _stop) = site.run();
    site.until("SELECT count(*)::bigint AS n FROM apalis.workers", 3, Duration::from_secs(20)).await;
    let asked = "SELECT xact_commit::bigint AS n FROM pg_stat_database WHERE datname = current_database()";
    let before = site.number(asked).await;
    tokio::time::sleep(WATCHED).await;
    let per_s = (site.number(asked).await - before) / i64::try_from(WATCHED.as_secs()).unwrap();
    println!("{per_s} transactions a second");
    assert!(per_s > 0, "the workers look for work");
    assert!(per_s <= TRANSACTIONS_PER_S_MAX, "{per_s} transactions a second while nothing is to be done");
}
