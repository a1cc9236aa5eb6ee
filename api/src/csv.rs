//! Tables as text (RFC 4180). A cell never begins like a formula: spreadsheets would run it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// A table being written.
pub(crate) struct Csv(String);

impl Csv {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut csv = Self(String::new());
        csv.row(columns.iter().map(|column| (*column).to_owned()));
        csv
    }

    /// Adds a row. Numbers are cells as they are; text that came from people goes through [`text`].
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
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

    /// What was written since the last time.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(&mut self.0)
    }

    /// The answer, as a file. `name` is made of letters, digits and hyphens.
    pub(crate) fn answer(self, name: &str) -> Response {
        file(name, Body::from(self.0))
    }
}

/// A table as a file. `name` is made of letters, digits and hyphens.
pub(crate) fn file(name: &str, body: Body) -> Response {
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let disposition = HeaderValue::try_from(disposition).unwrap_or(HeaderValue::from_static("attachment"));
    let mime = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    ([(CONTENT_TYPE, mime), (CONTENT_DISPOSITION, disposition)], body).into_response()
}

/// A text cell. What a spreadsheet would take for a formula is quoted for it.
pub(crate) fn text(value: &str) -> String {
    let is_formula = value.trim_start().starts_with(['=', '+', '-', '@']) || value.starts_with(['\t', '\r', '\n']);
    if is_formula { format!("'{value}") } else { value.to_owned() }
}

/// A number, or nothing where it is not known.
pub(crate) fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A moment, to the second.
pub(crate) fn second(at: DateTime<Utc>) -> String {
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
