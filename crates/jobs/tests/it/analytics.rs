//! Minutes of streams that were kept long enough.

use std::time::Duration;

use crate::Site;

const MINUTES: &str = "SELECT count(*)::bigint AS n FROM stream_minutes";
const WATCHED: &str = "SELECT sum(viewer_minutes)::bigint AS n FROM stream_days";

async fn with_minutes(site: &Site) {
    let channel = site.channel("alice").await;
    let stream = site.live_stream(channel).await;
    site.execute(&format!(
        "INSERT INTO stream_minutes (stream_id, minute, viewers)
         SELECT '{stream}', date_trunc('day', now(), 'UTC') - make_interval(days => day, mins => 1), 3
           FROM unnest(ARRAY[0, 1, 2, 3]) AS day"
    ))
    .await;
}

#[tokio::test]
async fn the_role_thins_what_is_older_than_the_site_keeps_and_a_second_run_changes_nothing() {
    let site = Site::start(|config| config.analytics.keep_days = 2).await;
    with_minutes(&site).await;
    let (mut running, _stop) = site.run();
    site.until(MINUTES, 2, Duration::from_secs(10)).await;
    // As a killed process: another comes and finds nothing to do twice.
    running.abort_all();
    assert_eq!(jobs::analytics::thin(&site.deps).await.unwrap(), 0);
    assert_eq!(site.number(WATCHED).await, 6);
}

#[tokio::test]
async fn without_a_limit_minutes_stay() {
    let site = Site::start(|config| config.analytics.keep_days = 0).await;
    with_minutes(&site).await;
    assert_eq!(jobs::analytics::thin(&site.deps).await.unwrap(), 0);
    assert_eq!(site.number(MINUTES).await, 4);
}
