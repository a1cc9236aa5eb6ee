//! The wall clock, in one place. Durations are measured with `tokio::time::Instant`, never with this.

use domain::Timestamp;

/// The current moment, cut to microseconds: what Postgres and MongoDB's neighbours can hold without rounding.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now() -> Timestamp {
    use chrono::SubsecRound;
    chrono::Utc::now().trunc_subsecs(6)
}

/// Seconds since 1970, as tokens count them.
pub fn unix_seconds() -> u64 {
    u64::try_from(now().timestamp()).unwrap_or(0)
}
