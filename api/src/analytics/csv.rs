//! Who watched, as tables.

use axum::response::Response;
use db::analytics::{Audience, DayRow, HostCount, StreamHead, StreamRow};

use super::shapes::{Day, Step, StreamLine};
use super::{Range, Table};
use crate::csv::{Csv, number, second, text};

pub(super) fn range_csv(
    (from, to): Range,
    table: Table,
    days: Vec<DayRow>,
    streams: Vec<StreamRow>,
    audience: Audience,
) -> Response {
    let (csv, what) = match table {
        Table::Days => (days_csv(&days), "days"),
        Table::Streams => (streams_csv(streams), "streams"),
        Table::Sources => (sources_csv(audience), "sources"),
    };
    csv.answer(&format!("analytics-{what}-{from}-{to}"))
}

fn days_csv(days: &[DayRow]) -> Csv {
    let mut csv = Csv::new(&[
        "date",
        "on_air_s",
        "uncounted_s",
        "watch_s",
        "peak_viewers",
        "average_viewers",
        "chat_lines",
        "new_followers",
    ]);
    for day in days.iter().map(Day::from) {
        csv.row([
            day.date.to_string(),
            day.on_air_s.to_string(),
            day.uncounted_s.to_string(),
            day.watch_s.to_string(),
            number(day.peak_viewers),
            number(day.average_viewers),
            number(day.chat_lines),
            day.new_followers.to_string(),
        ]);
    }
    csv
}

fn streams_csv(streams: Vec<StreamRow>) -> Csv {
    let mut csv = Csv::new(&[
        "id",
        "title",
        "started_at",
        "ended_at",
        "on_air_s",
        "uncounted_s",
        "watch_s",
        "peak_viewers",
        "average_viewers",
        "unique_viewers",
        "chat_lines",
        "new_followers",
    ]);
    for StreamLine { id, title, started_at, ended_at, totals } in streams.into_iter().map(StreamLine::from) {
        csv.row([
            id.to_string(),
            text(&title),
            second(started_at),
            ended_at.map(second).unwrap_or_default(),
            totals.on_air_s.to_string(),
            totals.uncounted_s.to_string(),
            totals.watch_s.to_string(),
            number(totals.peak_viewers),
            number(totals.average_viewers),
            number(totals.unique_viewers),
            number(totals.chat_lines),
            totals.new_followers.to_string(),
        ]);
    }
    csv
}

fn sources_csv(audience: Audience) -> Csv {
    let mut csv = Csv::new(&["kind", "host", "viewers"]);
    for (kind, viewers) in [("page", audience.pages), ("embed", audience.embeds), ("player", audience.players)] {
        csv.row([kind.to_owned(), String::new(), viewers.to_string()]);
    }
    for HostCount { host, viewers } in audience.hosts {
        csv.row(["host".to_owned(), text(&host), viewers.to_string()]);
    }
    csv.row(["other-hosts".to_owned(), String::new(), audience.others.to_string()]);
    csv
}

pub(super) fn steps_csv(head: &StreamHead, items: Vec<Step>) -> Response {
    let mut csv = Csv::new(&["at", "viewers", "players", "connections", "chat_lines", "new_followers"]);
    for step in items {
        csv.row([
            second(step.at),
            number(step.viewers),
            number(step.players),
            number(step.connections),
            number(step.chat_lines),
            number(step.new_followers),
        ]);
    }
    csv.answer(&format!("stream-{}-{}", head.row.started_at.date_naive(), head.row.id))
}
