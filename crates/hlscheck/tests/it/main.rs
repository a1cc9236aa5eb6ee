//! The checker against a small server that keeps the rules, or breaks some.

mod house;
mod site;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hlscheck::{CheckError, Options, Report, check};

use site::{Fault, Site};
use tokio::task::JoinSet;

/// Long enough for segments to leave the window and for several delta updates.
const FOLLOWED_S: u64 = 4;

async fn followed(site: &Site, path: &str, seconds: u64) -> Report {
    let options = Options { seconds, ..Options::new(&site.url(path)) };
    check(&options).await.expect("the playlist is there")
}

fn ids(report: &Report) -> BTreeSet<&'static str> {
    report.violations().iter().map(|violation| violation.id).collect()
}

#[tokio::test]
async fn a_good_live_presentation_breaks_no_rule() {
    let site = Site::start(&[]).await;
    let report = followed(&site, "/live/index.m3u8", FOLLOWED_S).await;
    assert_eq!(ids(&report), BTreeSet::new(), "{}", report.to_text());
    assert!(report.is_good());
    // Silence says something only of what was looked at: two renditions and an I-frame playlist.
    assert!(report.seen.playlists == 4 && report.seen.reloads > 20, "{:?}", report.seen);
    assert!(report.seen.segments > 6 && report.seen.parts > 20, "{:?}", report.seen);
}

#[tokio::test]
async fn what_a_bad_live_presentation_breaks_is_named() {
    use Fault::{
        BadNumbersTaken, BlockingNotCached, DatesMove, DeltaLies, HintLies, HoldBackShort, NotBlocked, PartTimeOff,
        PlaylistType, QueryLost, RemovedGone, TargetGrows,
    };
    let expected: [(Fault, &[&str]); 12] = [
        (PlaylistType, &["http.playlist-type"]),
        (BlockingNotCached, &["http.blocking-cache"]),
        (HoldBackShort, &["control.part-hold-back-three"]),
        (TargetGrows, &["live.target-constant", "control.hold-back", "control.skip-until", "part.newest"]),
        (DatesMove, &["live.line-changed"]),
        (PartTimeOff, &["box.time"]),
        (BadNumbersTaken, &["reload.bad"]),
        (NotBlocked, &["reload.answer", "reload.ahead"]),
        (DeltaLies, &["delta.merge"]),
        (HintLies, &["hint.bytes"]),
        (RemovedGone, &["http.removed-lives"]),
        (QueryLost, &["multi.query"]),
    ];
    let mut checks = JoinSet::new();
    for (fault, rules) in expected {
        checks.spawn(async move {
            let site = Site::start(&[fault]).await;
            (fault, rules, followed(&site, "/live/index.m3u8", FOLLOWED_S).await)
        });
    }
    let mut wrong = Vec::new();
    while let Some(done) = checks.join_next().await {
        let (fault, rules, report) = done.expect("no panic");
        let mut named = ids(&report);
        if fault == DatesMove {
            // Whether a delta update meets the change depends on the moment it is asked for.
            named.remove("delta.merge");
        }
        if named != BTreeSet::from_iter(rules.iter().copied()) {
            wrong.push(format!("{fault:?}: {}", report.to_text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn faults_are_told_with_playlist_and_line() {
    let site = Site::start(&[Fault::HoldBackShort, Fault::PlaylistType]).await;
    let report = followed(&site, "/live/a/index.m3u8", 1).await;
    assert_eq!(ids(&report), BTreeSet::from(["control.part-hold-back-three", "http.playlist-type"]));
    assert!(!report.is_good());
    let first = &report.violations()[1].first;
    assert_eq!((first.url.as_str(), first.line), (site.url("/live/a/index.m3u8").as_str(), Some(4)));
    assert!(report.to_json().expect("JSON").contains("\"apple\": 1"));
}

#[tokio::test]
async fn a_recording_is_read_once_and_does_not_use_up_the_time() {
    let site = Site::start(&[]).await;
    let began = Instant::now();
    let report = followed(&site, "/vod/index.m3u8", 60).await;
    assert_eq!(ids(&report), BTreeSet::new(), "{}", report.to_text());
    assert_eq!((report.seen.reloads, report.seen.segments), (0, Options::new("").segments_max));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_hold_the_check() {
    let site = Site::start(&[]).await;
    let began = Instant::now();
    let report = followed(&site, "/stuck/index.m3u8", 1).await;
    assert!(report.seen.playlists == 1 && began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn nothing_to_check_is_an_error() {
    let site = Site::start(&[]).await;
    let missing = check(&Options::new(&site.url("/nowhere.m3u8"))).await;
    assert!(matches!(missing, Err(CheckError::Status { status: 404, .. })), "{missing:?}");
    let unreachable = check(&Options::new("http://127.0.0.1:1/index.m3u8")).await;
    assert!(matches!(unreachable, Err(CheckError::Fetch { .. })), "{unreachable:?}");
}
