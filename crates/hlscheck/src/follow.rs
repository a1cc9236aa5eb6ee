//! The HTTP side: reads the playlists of a presentation for a bounded time and hands them to the rules. Everything it
//! starts ends with it.

mod board;
mod fetch;
mod pieces;
mod rendition;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

pub use self::fetch::FetchError;

use self::board::Board;
use self::fetch::{ANSWER_WAIT_MAX, Fetcher, resolve, with_query};
use self::rendition::Rendition;
use crate::playlist::Playlist;
use crate::report::Report;
use crate::rules::multivariant::{self, Child};
use crate::rules::transport::{self, Reload};
use crate::rules::{AVAILABLE, Findings, set, syntax};

/// More renditions are not followed.
const RENDITIONS_MAX: usize = 16;
/// Longest time to follow.
const SECONDS_MAX: u64 = 24 * 60 * 60;
/// A rate measured over less says nothing, in seconds.
const WEIGHED_MIN_S: f64 = 4.0;

/// What to check, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// A multivariant or a media playlist.
    pub url: String,
    /// A live presentation is followed so long; reading a recording takes at most this long.
    pub seconds: u64,
    /// So many segments of each rendition of a recording are fetched.
    pub segments_max: usize,
}

impl Options {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), seconds: 30, segments_max: 6 }
    }
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("{url} cannot be fetched: {error}")]
    Fetch { url: String, error: FetchError },
    #[error("{url} answers {status}")]
    Status { url: String, status: u16 },
}

/// Checks a presentation.
///
/// # Errors
/// When not even the first playlist can be had.
pub async fn check(options: &Options) -> Result<Report, CheckError> {
    let until = Instant::now() + Duration::from_secs(options.seconds.clamp(1, SECONDS_MAX));
    let failed = |error| CheckError::Fetch { url: options.url.clone(), error };
    let fetcher = Fetcher::new().map_err(failed)?;
    let wait = ANSWER_WAIT_MAX.min(until.duration_since(Instant::now()));
    let answer = fetcher.playlist(&options.url, wait).await.map_err(failed)?;
    if !answer.is_success() {
        return Err(CheckError::Status { url: options.url.clone(), status: answer.status });
    }
    let playlist = Playlist::parse(&answer.final_url, &String::from_utf8_lossy(&answer.body));
    let board = Arc::new(Board::default());
    let rendition = |url: String, others: Vec<String>| Rendition {
        fetcher: fetcher.clone(),
        board: board.clone(),
        url,
        others,
        is_independent: playlist.is_independent,
        segments_max: options.segments_max,
    };
    let mut tasks = JoinSet::new();
    let mut children = Vec::new();
    if playlist.is_multivariant {
        let mut out = Findings::default();
        syntax::check_bytes(&playlist.url, &answer.body, &mut out);
        syntax::check(&playlist, &mut out);
        multivariant::check(&playlist, &mut out);
        transport::check_playlist(&playlist.url, &answer, Reload::Lasting, &mut out);
        board.add(out);
        board.report().seen.playlists += 1;
        let url = with_query(&options.url, multivariant::PROBE_QUERY);
        let wait = ANSWER_WAIT_MAX.min(until.duration_since(Instant::now()));
        if let Ok(answer) = fetcher.playlist(&url, wait).await
            && answer.is_success()
        {
            let asked = Playlist::parse(&playlist.url, &String::from_utf8_lossy(&answer.body));
            let mut out = Findings::default();
            multivariant::check_query(&asked, &mut out);
            board.add(out);
        }
        children = named(&playlist);
        for (child, url) in &children {
            let is_other = |(other, address): &&(Child, String)| !other.is_iframes && address != url;
            let others = children.iter().filter(is_other).map(|(_, address)| address.clone()).collect();
            let (task, board) = (rendition(url.clone(), others), board.clone());
            let (parent, line, url) = (playlist.url.clone(), child.line, url.clone());
            tasks.spawn(async move {
                if let Err(why) = task.run().await {
                    let mut out = Findings::default();
                    out.add(&AVAILABLE, &parent, line, format!("{url}: {why}"));
                    board.add(out);
                }
            });
        }
    } else {
        let task = rendition(options.url.clone(), Vec::new());
        let (board, url) = (board.clone(), options.url.clone());
        tasks.spawn(async move {
            if let Err(why) = task.run().await {
                let mut out = Findings::default();
                out.add(&AVAILABLE, &url, None, why);
                board.add(out);
            }
        });
    }
    // The end of the time is the usual end of a live presentation's check.
    let _ = timeout_at(until, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
    together(&playlist, &children, &board);
    let report = board.report().clone();
    Ok(report)
}

/// The playlists that a multivariant one names, with their addresses.
fn named(playlist: &Playlist) -> Vec<(Child, String)> {
    let children = multivariant::children(playlist).into_iter();
    let children = children.filter_map(|child| {
        let url = resolve(&playlist.url, &child.uri)?;
        Some((child, url))
    });
    children.take(RENDITIONS_MAX).collect()
}

/// Rules that need all renditions.
fn together(multivariant: &Playlist, children: &[(Child, String)], board: &Board) {
    let newest = board.newest();
    let mut out = Findings::default();
    set::check(&newest.iter().collect::<Vec<_>>(), &mut out);
    let is_live = newest.iter().any(|playlist| !playlist.is_ended);
    for (child, url) in children.iter().filter(|(child, _)| is_live && !child.is_iframes && !child.is_alternative) {
        let plays_along = children
            .iter()
            .find(|(other, _)| other.is_alternative && child.group.is_some() && other.group == child.group);
        let audio = plays_along.map(|(_, url)| board.weight(url)).unwrap_or_default();
        let video = board.weight(url);
        if video.seconds >= WEIGHED_MIN_S {
            set::check_weight(&multivariant.url, child, video, audio, &mut out);
        }
    }
    board.add(out);
}
