//! Follows one media playlist: blocking reloads where they are offered, delta updates now and then, hostile questions once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::board::Board;
use super::fetch::{ANSWER_WAIT_MAX, FetchError, Fetcher, resolve, with_query};
use super::pieces::Pieces;
use crate::answer::Answer;
use crate::playlist::Playlist;
use crate::rules::reload::{self, Asked, Probe};
use crate::rules::transport::{self, Reload};
use crate::rules::{AVAILABLE, Findings, delta, low_latency, media, set, succession, syntax};

/// Every so many reloads a delta update is asked for, and the hinted part is asked for ahead.
const DELTA_EVERY: usize = 5;
const HINT_EVERY: usize = 4;
/// Before asking again when nothing came.
const IDLE: Duration = Duration::from_millis(250);
/// Reloads in a row that may fail.
const FAILURES_MAX: usize = 4;
/// Removed segments waiting to be asked for.
const REMOVED_MAX: usize = 4;
/// A server may hold a request for three target durations; the network may add this.
const HOLD_SLACK: Duration = Duration::from_secs(2);

/// One rendition to follow.
pub(super) struct Rendition {
    pub fetcher: Fetcher,
    pub board: Arc<Board>,
    pub url: String,
    /// Playlists of the other renditions.
    pub others: Vec<String>,
    /// The multivariant playlist says `EXT-X-INDEPENDENT-SEGMENTS`.
    pub is_independent: bool,
    pub segments_max: usize,
}

/// A segment that left the playlist.
struct Removed {
    url: String,
    at: Instant,
    lives: Duration,
}

impl Rendition {
    /// Follows until the playlist ends or goes.
    pub(super) async fn run(self) -> Result<(), String> {
        let answer = self.fetcher.playlist(&self.url, ANSWER_WAIT_MAX).await.map_err(|error| error.to_string())?;
        if !answer.is_success() {
            return Err(format!("it answers {}", answer.status));
        }
        let first = self.read(&answer, false, None);
        self.board.report().seen.playlists += 1;
        self.board.set_newest(&self.url, &first);
        let mut pieces = Pieces::new(self.fetcher.clone(), self.board.clone(), self.url.clone(), self.is_independent);
        self.probe_media(&first).await;
        if first.is_ended {
            self.probe_ended(&first).await;
            if !first.is_iframes_only {
                pieces.sample(&first, self.segments_max).await;
            }
            return Ok(());
        }
        self.follow(first, pieces).await;
        Ok(())
    }

    async fn follow(&self, first: Playlist, mut pieces: Pieces) {
        let mut before = first;
        let mut grew_at = Instant::now();
        let mut removed = VecDeque::new();
        let (mut failures, mut is_probed) = (0, false);
        for round in 1_usize.. {
            if round % DELTA_EVERY == 1 {
                self.delta(&before).await;
            }
            let can_block = before.control.as_ref().is_some_and(|control| control.can_block_reload);
            if can_block && !is_probed {
                is_probed = true;
                self.probe_directives(&before).await;
            }
            let asked = can_block.then(|| Asked::after(&before));
            let target_s = before.target_s.unwrap_or(2).clamp(1, 60);
            if asked.is_none() {
                sleep(Duration::from_secs(target_s) / 2).await;
            }
            let floors: Vec<Option<u64>> = self.others.iter().map(|url| Some(self.board.edge(url)?.0)).collect();
            let hold = Duration::from_secs(target_s) * 3 + HOLD_SLACK;
            let reloaded = match round % HINT_EVERY {
                0 if asked.is_some() => tokio::join!(self.reload(asked, hold), pieces.hint(&before, hold)).0,
                _ => self.reload(asked, hold).await,
            };
            let answer = match reloaded {
                Ok(answer) if answer.is_success() => answer,
                // The stream is over and gone.
                Ok(answer) if matches!(answer.status, 404 | 410) => return,
                failed => {
                    failures += 1;
                    let mut out = Findings::default();
                    succession::check_pace(&before, grew_at.elapsed().as_secs_f64(), &mut out);
                    self.board.add(out);
                    self.failed(failed, hold, target_s, &mut failures);
                    if failures >= FAILURES_MAX {
                        return;
                    }
                    sleep(IDLE).await;
                    continue;
                }
            };
            failures = 0;
            self.board.report().seen.reloads += 1;
            let now = self.read(&answer, false, asked);
            let mut out = Findings::default();
            succession::check(&before, &now, &mut out);
            match now.open.msn > before.open.msn {
                true => grew_at = Instant::now(),
                false => succession::check_pace(&now, grew_at.elapsed().as_secs_f64(), &mut out),
            }
            self.reports(&now, &floors, &mut out);
            self.board.add(out);
            self.board.set_newest(&self.url, &now);
            self.remember_removed(&before, &now, &mut removed);
            self.ask_removed(&mut removed).await;
            if !now.is_iframes_only {
                pieces.take(&now).await;
            }
            if now.is_ended {
                self.probe_ended(&now).await;
                return;
            }
            if asked.is_some() && now.edge() == before.edge() {
                sleep(IDLE).await;
            }
            before = now;
        }
    }

    async fn reload(&self, asked: Option<Asked>, hold: Duration) -> Result<Answer, FetchError> {
        match asked {
            Some(asked) => self.fetcher.playlist(&with_query(&self.url, &asked.query()), hold).await,
            None => self.fetcher.playlist(&self.url, ANSWER_WAIT_MAX).await,
        }
    }

    fn failed(&self, failed: Result<Answer, FetchError>, hold: Duration, target_s: u64, failures: &mut usize) {
        let mut out = Findings::default();
        match failed {
            // Nothing came in time, and the server says so: it is asked again for as long as there is time.
            Ok(answer) if answer.status == 503 => *failures = 0,
            Ok(answer) => out.add(&AVAILABLE, &self.url, None, format!("the playlist answers {}", answer.status)),
            Err(FetchError::Late(_)) => {
                reload::check_wait(&self.url, hold.as_secs_f64(), target_s as f64, &mut out);
            }
            Err(error) => out.add(&AVAILABLE, &self.url, None, format!("the playlist: {error}")),
        }
        self.board.add(out);
    }

    /// Parses an answer and checks what can be said of it alone.
    fn read(&self, answer: &Answer, is_skip_asked: bool, asked: Option<Asked>) -> Playlist {
        let playlist = Playlist::parse(&answer.final_url, &String::from_utf8_lossy(&answer.body));
        let (url, mut out) = (&playlist.url, Findings::default());
        syntax::check_bytes(url, &answer.body, &mut out);
        syntax::check(&playlist, &mut out);
        delta::check(&playlist, is_skip_asked, &mut out);
        if playlist.skip.is_none() {
            media::check(&playlist, &mut out);
            low_latency::check(&playlist, &mut out);
        }
        let caching = match asked {
            _ if playlist.is_ended || is_skip_asked => Reload::Lasting,
            Some(_) => Reload::Blocking,
            None => Reload::Plain { target_s: playlist.target_s.unwrap_or_default() },
        };
        transport::check_playlist(url, answer, caching, &mut out);
        if let Some(asked) = asked {
            reload::check_answer(asked, &playlist, &mut out);
        }
        self.board.add(out);
        playlist
    }

    /// Asks for a delta update, and for the whole playlist behind it, and compares.
    async fn delta(&self, base: &Playlist) {
        let can_skip = base.control.as_ref().is_some_and(|control| control.can_skip_until_s.is_some());
        if !can_skip {
            return;
        }
        let url = with_query(&self.url, "_HLS_skip=YES");
        let Ok(answer) = self.fetcher.playlist(&url, ANSWER_WAIT_MAX).await else { return };
        if !answer.is_success() {
            return;
        }
        let short = self.read(&answer, true, None);
        let Ok(answer) = self.fetcher.playlist(&self.url, ANSWER_WAIT_MAX).await else { return };
        if !answer.is_success() {
            return;
        }
        let full = self.read(&answer, false, None);
        let mut out = Findings::default();
        delta::check_given(&full, &short, &mut out);
        if let Some(merged) = delta::merge(base, &short) {
            delta::check_merge(&merged, &full, &mut out);
        }
        self.board.add(out);
    }

    fn reports(&self, now: &Playlist, floors: &[Option<u64>], out: &mut Findings) {
        let resolved = |uri: &Option<String>| resolve(&now.url, uri.as_deref()?);
        let reported: Vec<String> = now.reports.iter().filter_map(|report| resolved(&report.uri)).collect();
        set::check_reports(now, &reported, &self.others, out);
        let fresh = Duration::from_secs(now.target_s.unwrap_or_default());
        let bare = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        for report in &now.reports {
            let Some(address) = resolved(&report.uri) else { continue };
            let Some(index) = self.others.iter().position(|url| bare(url) == bare(&address)) else { continue };
            let Some((edge, at)) = self.board.edge(&self.others[index]) else { continue };
            // A follower that fell behind knows nothing of how far the rendition is.
            let ceiling = if at.elapsed() < fresh { edge } else { u64::MAX };
            set::check_report(now, report, floors[index].unwrap_or_default(), ceiling, out);
        }
    }

    fn remember_removed(&self, before: &Playlist, now: &Playlist, removed: &mut VecDeque<Removed>) {
        for segment in before.segments.iter().filter(|segment| segment.msn < now.media_sequence && !segment.is_gap) {
            let lives = segment.duration_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let (Some(url), Some(lives)) = (resolve(&before.url, &segment.uri), lives) else { continue };
            if removed.len() < REMOVED_MAX && !now.is_iframes_only {
                removed.push_back(Removed { url, at: Instant::now(), lives });
            }
        }
    }

    /// Asks for removed segments in the second half of the time they must still be there.
    async fn ask_removed(&self, removed: &mut VecDeque<Removed>) {
        while let Some(oldest) = removed.pop_front_if(|oldest| oldest.at.elapsed() >= oldest.lives / 2) {
            if oldest.at.elapsed() >= oldest.lives {
                continue;
            }
            if let Ok(answer) = self.fetcher.media(&oldest.url, Some("bytes=0-0"), ANSWER_WAIT_MAX).await {
                let mut out = Findings::default();
                transport::check_removed(&self.url, &answer, &mut out);
                self.board.add(out);
            }
        }
    }

    /// Ranges of a segment, and a name that does not exist.
    async fn probe_media(&self, playlist: &Playlist) {
        let mut out = Findings::default();
        let newest = playlist.segments.iter().rev().find(|segment| !segment.is_gap);
        if let Some(url) = newest.and_then(|segment| resolve(&playlist.url, &segment.uri)) {
            if let Ok(answer) = self.fetcher.media(&url, Some("bytes=0-1"), ANSWER_WAIT_MAX).await {
                transport::check_range(&playlist.url, &answer, &mut out);
            }
            if let Ok(answer) = self.fetcher.media(&url, Some("bytes=99999999999-"), ANSWER_WAIT_MAX).await {
                transport::check_range_beyond(&playlist.url, &answer, &mut out);
            }
        }
        if let Some(url) = resolve(&playlist.url, "no-such-segment.m4s")
            && let Ok(answer) = self.fetcher.media(&url, None, ANSWER_WAIT_MAX).await
        {
            transport::check_missing(&playlist.url, &answer, playlist.target_s.unwrap_or_default(), &mut out);
        }
        self.board.add(out);
    }

    async fn probe_directives(&self, playlist: &Playlist) {
        for probe in [Probe::Ahead, Probe::Bad, Probe::Stale, Probe::Unknown] {
            self.probe(playlist, probe).await;
        }
    }

    /// Only who offered blocking reloads is asked whether they still work.
    async fn probe_ended(&self, playlist: &Playlist) {
        if playlist.control.as_ref().is_some_and(|control| control.can_block_reload) {
            self.probe(playlist, Probe::Ended).await;
        }
    }

    async fn probe(&self, playlist: &Playlist, probe: Probe) {
        let at_once = Duration::from_secs(playlist.target_s.unwrap_or_default().clamp(1, 10));
        for query in probe.queries(playlist) {
            let answer = self.fetcher.playlist(&with_query(&self.url, &query), at_once).await;
            let status = match answer {
                Ok(answer) => Some(answer.status),
                Err(FetchError::Late(_)) => None,
                Err(_) => return,
            };
            let mut out = Findings::default();
            reload::check_probe(&self.url, probe, &query, status, &mut out);
            self.board.add(out);
        }
    }
}
