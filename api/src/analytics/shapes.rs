//! The JSON of the analytics, and how it is made of rows.

use chrono::{DateTime, NaiveDate, Utc};
use db::analytics::{Audience, DayRow, Reached, StreamRow};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Range;

/// What a span of time came to. Null: nobody counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsTotals)]
pub(crate) struct Totals {
    /// Streams that began in it.
    pub(super) streams: i64,
    pub(super) on_air_s: i64,
    /// Of it, time in which nobody counted viewers: watch time and averages leave it out.
    pub(super) uncounted_s: i64,
    /// Seconds watched by all viewers together, from one count a minute.
    pub(super) watch_s: i64,
    /// The most viewers at one moment.
    #[schema(required)]
    pub(super) peak_viewers: Option<i64>,
    #[schema(required)]
    pub(super) average_viewers: Option<f64>,
    /// Unique viewers of each stream, added up: who came to two of them counts twice. Within about one in a hundred.
    #[schema(required)]
    pub(super) unique_viewers: Option<i64>,
    /// Streams of which `unique_viewers` knows nothing: those on air, and those nobody counted.
    pub(super) unique_unknown: i64,
    /// Lines of chat said while on air.
    #[schema(required)]
    pub(super) chat_lines: Option<i64>,
    /// Of a range: who followed in it and still does. Of a stream: who followed while it was on air.
    pub(super) new_followers: i64,
}

/// One day (UTC).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsDay)]
pub(crate) struct Day {
    pub(super) date: NaiveDate,
    pub(super) on_air_s: i64,
    pub(super) uncounted_s: i64,
    pub(super) watch_s: i64,
    #[schema(required)]
    pub(super) peak_viewers: Option<i64>,
    #[schema(required)]
    pub(super) average_viewers: Option<f64>,
    #[schema(required)]
    pub(super) chat_lines: Option<i64>,
    pub(super) new_followers: i64,
}

/// One stream of a range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsStream)]
pub(crate) struct StreamLine {
    pub(super) id: Uuid,
    pub(super) title: String,
    pub(super) started_at: DateTime<Utc>,
    /// Null while it is on air.
    #[schema(required)]
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) totals: Totals,
}

/// How many came from pages of one host.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsHost)]
pub(crate) struct Host {
    pub(super) host: String,
    pub(super) viewers: i64,
}

/// Where viewers came from. A viewer that came two ways is in both.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = AnalyticsSources)]
pub(crate) struct Sources {
    /// Through pages of this site.
    pub(super) pages: i64,
    /// Through players embedded elsewhere.
    pub(super) embeds: i64,
    /// Who only read playlists: players such as VLC.
    pub(super) players: i64,
    /// Hosts that embed or link, as browsers name them, most viewers first: 50 at most.
    pub(super) hosts: Vec<Host>,
    /// From other hosts.
    pub(super) others: i64,
}

/// A span of days and what it came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsPeriod)]
pub(crate) struct Period {
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
    pub(super) totals: Totals,
    pub(super) days: Vec<Day>,
}

/// A channel over a range of days.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelAnalytics {
    pub(super) range: Period,
    /// As many days, just before.
    pub(super) before: Period,
    pub(super) sources: Sources,
    /// The latest 200 streams of the range.
    pub(super) streams: Vec<StreamLine>,
    /// Streams before them are in the sums only.
    pub(super) is_cut: bool,
}

/// One step of a stream. Null: nobody counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsStep)]
pub(crate) struct Step {
    /// Its beginning.
    pub(super) at: DateTime<Utc>,
    /// The most unique viewers.
    #[schema(required)]
    pub(super) viewers: Option<i64>,
    /// Of them those who only read playlists.
    #[schema(required)]
    pub(super) players: Option<i64>,
    /// Open sockets; one viewer may have several.
    #[schema(required)]
    pub(super) connections: Option<i64>,
    #[schema(required)]
    pub(super) chat_lines: Option<i64>,
    #[schema(required)]
    pub(super) new_followers: Option<i64>,
}

/// One stream, minute by minute.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StreamAnalytics {
    pub(super) stream: StreamLine,
    pub(super) is_live: bool,
    /// Minutes of a step. More than 1: a long stream.
    pub(super) step_minutes: i32,
    /// In order of time, gaps included.
    pub(super) items: Vec<Step>,
    /// Older minutes were kept long enough (`analytics.keep_days`): they are in the totals only.
    pub(super) is_thinned: bool,
    /// Null: nobody knows. While the stream is on air these are those so far.
    #[schema(required)]
    pub(super) sources: Option<Sources>,
}

fn average(viewer_minutes: i64, counted: i64) -> Option<f64> {
    (counted > 0).then(|| (viewer_minutes as f64 / counted as f64 * 10.0).round() / 10.0)
}

impl From<&DayRow> for Day {
    fn from(row: &DayRow) -> Self {
        Self {
            date: row.day,
            on_air_s: row.minutes * 60,
            uncounted_s: (row.minutes - row.counted) * 60,
            watch_s: row.viewer_minutes * 60,
            peak_viewers: row.peak,
            average_viewers: average(row.viewer_minutes, row.counted),
            chat_lines: row.lines,
            new_followers: row.follows,
        }
    }
}

impl Period {
    pub(super) fn of((from, to): Range, days: Vec<DayRow>, reached: &Reached) -> Self {
        let sum = |of: fn(&DayRow) -> i64| days.iter().map(of).sum::<i64>();
        let (minutes, counted) = (sum(|day| day.minutes), sum(|day| day.counted));
        let viewer_minutes = sum(|day| day.viewer_minutes);
        let lines: Vec<i64> = days.iter().filter_map(|day| day.lines).collect();
        let totals = Totals {
            streams: reached.known + reached.unknown,
            on_air_s: minutes * 60,
            uncounted_s: (minutes - counted) * 60,
            watch_s: viewer_minutes * 60,
            peak_viewers: days.iter().filter_map(|day| day.peak).max().max(reached.peak),
            average_viewers: average(viewer_minutes, counted),
            unique_viewers: (reached.known > 0 || reached.unknown == 0).then_some(reached.audience.viewers),
            unique_unknown: reached.unknown,
            chat_lines: (!lines.is_empty()).then(|| lines.iter().sum()),
            new_followers: sum(|day| day.follows),
        };
        Self { from, to, totals, days: days.iter().map(Day::from).collect() }
    }
}

impl From<StreamRow> for StreamLine {
    fn from(row: StreamRow) -> Self {
        Self {
            id: row.id.as_uuid(),
            title: row.title,
            started_at: row.started_at,
            ended_at: row.ended_at,
            totals: Totals {
                streams: 1,
                on_air_s: row.minutes * 60,
                uncounted_s: (row.minutes - row.counted) * 60,
                watch_s: row.viewer_minutes * 60,
                peak_viewers: row.peak,
                average_viewers: average(row.viewer_minutes, row.counted),
                unique_viewers: row.unique,
                unique_unknown: i64::from(row.unique.is_none()),
                chat_lines: row.lines,
                new_followers: row.follows,
            },
        }
    }
}

impl From<Audience> for Sources {
    fn from(audience: Audience) -> Self {
        Self {
            pages: audience.pages,
            embeds: audience.embeds,
            players: audience.players,
            hosts: audience.hosts.into_iter().map(|one| Host { host: one.host, viewers: one.viewers }).collect(),
            others: audience.others,
        }
    }
}
