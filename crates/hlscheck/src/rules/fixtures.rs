//! Every rule with a small input that breaks it and no other, and inputs that break none.

mod table;
mod texts;

use super::{ALL, Findings, Rule, delta, low_latency, media, multivariant, succession, syntax};
use crate::playlist::Playlist;

/// One check with its input.
type Check = Box<dyn Fn(&mut Findings)>;

const URL: &str = "http://h/v/index.m3u8";

fn parsed(text: &str) -> Playlist {
    Playlist::parse(URL, text)
}

/// All rules of one playlist by itself.
fn one(text: impl Into<String>) -> Check {
    let text = text.into();
    Box::new(move |out| {
        let playlist = parsed(&text);
        syntax::check_bytes(URL, text.as_bytes(), out);
        syntax::check(&playlist, out);
        delta::check(&playlist, false, out);
        match playlist.is_multivariant {
            true => multivariant::check(&playlist, out),
            false => {
                media::check(&playlist, out);
                low_latency::check(&playlist, out);
            }
        }
    })
}

/// All rules of two versions.
fn two(before: impl Into<String>, now: impl Into<String>) -> Check {
    let (before, now) = (before.into(), now.into());
    Box::new(move |out| succession::check(&parsed(&before), &parsed(&now), out))
}

fn check(check: impl Fn(&mut Findings) + 'static) -> Check {
    Box::new(check)
}

fn broken(check: &Check) -> Vec<String> {
    let mut out = Findings::default();
    check(&mut out);
    let mut ids: Vec<String> = out.0.iter().map(|finding| finding.rule.id.to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids
}

#[test]
fn each_fixture_breaks_its_rule_and_no_other() {
    let table: Vec<(&'static Rule, Check)> = table::broken();
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(rule, check)| {
            let ids = broken(check);
            (ids != [rule.id]).then(|| format!("{}: {ids:?}", rule.id))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_rule_has_a_fixture() {
    let table = table::broken();
    let without: Vec<&str> =
        ALL.iter().filter(|rule| !table.iter().any(|(has, _)| has.id == rule.id)).map(|rule| rule.id).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn clean_fixtures_break_nothing() {
    for (name, check) in table::clean() {
        assert_eq!(broken(&check), Vec::<String>::new(), "{name}");
    }
}
