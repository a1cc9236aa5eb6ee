//! Counts what was found and prints it: lines for people, JSON for machines.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;

use crate::rules::{ALL, Findings, Severity};

/// So many different faults are told apart; further ones of a rule are not counted.
const FAULTS_MAX: usize = 20_000;

/// One violated rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub id: &'static str,
    pub severity: Severity,
    /// What would hold.
    pub says: &'static str,
    pub source: &'static str,
    /// Different places where it is broken. The same line seen again counts once.
    pub count: usize,
    pub first: Example,
}

/// Where a rule was first seen broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    pub url: String,
    pub line: Option<usize>,
    pub what: String,
}

/// What was looked at, so that silence can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Seen {
    pub playlists: usize,
    pub reloads: usize,
    pub segments: usize,
    pub parts: usize,
}

/// The outcome of a check.
#[derive(Debug, Clone, Default)]
pub struct Report {
    violations: Vec<Violation>,
    known: BTreeSet<(&'static str, String, String)>,
    pub seen: Seen,
}

#[derive(Serialize)]
struct Json<'a> {
    rules: usize,
    must: usize,
    apple: usize,
    should: usize,
    seen: Seen,
    violations: Vec<&'a Violation>,
}

impl Report {
    pub fn add(&mut self, findings: Findings) {
        for finding in findings.0 {
            let place = finding.url.split('?').next().unwrap_or_default().to_owned();
            let is_full = self.known.len() >= FAULTS_MAX;
            let known = self.violations.iter_mut().find(|violation| violation.id == finding.rule.id);
            if known.is_some() && is_full || !self.known.insert((finding.rule.id, place, finding.what.clone())) {
                continue;
            }
            match known {
                Some(violation) => violation.count += 1,
                None => self.violations.push(Violation {
                    id: finding.rule.id,
                    severity: finding.rule.severity,
                    says: finding.rule.says,
                    source: finding.rule.source,
                    count: 1,
                    first: Example { url: finding.url, line: finding.line, what: finding.what },
                }),
            }
        }
    }

    /// Violated rules, the most binding first, each group in the order of the table.
    pub fn violations(&self) -> Vec<&Violation> {
        let place = |id: &str| ALL.iter().position(|rule| rule.id == id);
        let mut list: Vec<&Violation> = self.violations.iter().collect();
        list.sort_by_key(|violation| (violation.severity, place(violation.id)));
        list
    }

    /// Violated rules of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.violations.iter().filter(|violation| violation.severity == severity).count()
    }

    /// Whether no binding rule is broken.
    pub fn is_good(&self) -> bool {
        self.count(Severity::Must) + self.count(Severity::Apple) == 0
    }

    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for violation in self.violations() {
            let Example { url, line, what } = &violation.first;
            let line = line.map_or(String::new(), |line| format!(":{line}"));
            let (severity, id, count) = (violation.severity.as_str(), violation.id, violation.count);
            let (says, source) = (violation.says, violation.source);
            let _ = writeln!(out, "{severity:<6} {id} ({count}x): {says} [{source}]: {what} at {url}{line}");
        }
        let seen = self.seen;
        let _ = writeln!(
            out,
            "{} rules: {} MUST, {} APPLE, {} SHOULD violated; {} playlists in {} reloads, {} segments, {} parts",
            ALL.len(),
            self.count(Severity::Must),
            self.count(Severity::Apple),
            self.count(Severity::Should),
            seen.playlists,
            seen.reloads,
            seen.segments,
            seen.parts
        );
        out
    }

    /// # Errors
    /// When it cannot be written as JSON, which its types do not allow to happen.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Json {
            rules: ALL.len(),
            must: self.count(Severity::Must),
            apple: self.count(Severity::Apple),
            should: self.count(Severity::Should),
            seen: self.seen,
            violations: self.violations(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{CORS, LINE_CHANGED};

    #[test]
    fn the_same_fault_counts_once_and_must_comes_first() {
        let mut findings = Findings::default();
        findings.add(&CORS, "http://x/a.m3u8", None, "none");
        findings.add(&LINE_CHANGED, "http://x/a.m3u8", 7, "s1");
        findings.add(&LINE_CHANGED, "http://x/a.m3u8?_HLS_msn=3", 6, "s1");
        findings.add(&LINE_CHANGED, "http://x/a.m3u8", 9, "s2");
        let mut report = Report::default();
        report.add(findings);
        let list = report.violations();
        assert_eq!((list[0].id, list[0].count, list[0].first.line), ("live.line-changed", 2, Some(7)));
        assert_eq!(list[1].id, "http.cors");
        assert!(!report.is_good());
        assert!(report.to_text().contains("at http://x/a.m3u8:7\n"), "{}", report.to_text());
        assert!(report.to_json().expect("JSON").contains("\"must\": 1"));
    }
}
