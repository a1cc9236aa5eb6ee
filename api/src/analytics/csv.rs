//! Tables as text (RFC 4180). A cell never begins like a formula: spreadsheets would run it.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use db::analytics::{Audience, DayRow, HostCount, StreamHead, StreamRow};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use super::shapes::{Day, Step, StreamLine};
use super::{Range, Table};

/// A table being written.
struct Csv(String);

impl Csv {
    fn new(columns: &[&str]) -> Self {
        let mut csv = Self(String::new());
        csv.row(columns.iter().map(|column| (*column).to_owned()));
        csv
    }

    /// Adds a row. Numbers are cells as they are; text that came from people goes through [`text`].
    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for (i, cell) in cells.into_iter().enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            if cell.contains(['"', ',', '\r', '\n']) {
                self.0.push('"');
                self.0.push_str(&cell.replace('"', "\"\""));
                self.0.push('"');
            } else {
                self.0.push_str(&cell);
            }
        }
        self.0.push_str("\r\n");
    }

    /// The answer, as a file. `name` is made of letters, digits and hyphens.
    fn answer(self, name: &str) -> Response {
        let disposition = format!("attachment; filename=\"{name}.csv\"");
        let disposition = HeaderValue::try_from(disposition).unwrap_or(HeaderValue::from_static("attachment"));
        let mime = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        ([(CONTENT_TYPE, mime), (CONTENT_DISPOSITION, disposition)], self.0).into_response()
    }
}

/// A text cell. What a spreadsheet would take for a formula is quoted for it.
fn text(value: &str) -> String {
    let is_formula = value.trim_start().starts_with(['=', '+', '-', '@']) || value.starts_with(['\t', '\r', '\n']);
    if is_formula { format!("'{value}") } else { value.to_owned() }
}

/// A number, or nothing where it is not known.
fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

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

fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        for bad in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1"] {
            assert!(text(bad).starts_with('\''), "{bad:?}");
        }
        assert_eq!(text("Một buổi tối"), "Một buổi tối");
    }

    #[test]
    fn separators_and_quotes_stay_in_their_cell() {
        let mut csv = Csv::new(&["a", "b"]);
        csv.row(["one, two".to_owned(), "say \"so\"\nthen".to_owned()]);
        assert_eq!(csv.0, "a,b\r\n\"one, two\",\"say \"\"so\"\"\nthen\"\r\n");
    }
}
