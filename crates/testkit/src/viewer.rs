//! A viewer: follows one rendition of an LL-HLS stream as a player does, and remembers what it saw.
//!
//! Reads with blocking reloads, fetches each part by name as soon as it is announced, and checks every playlist against the
//! rules of the format ([`rules`]). What it downloaded can be written to a file and decoded by ffmpeg.

pub mod decode;
pub mod rules;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use media::playlist::{
    ParsedMedia, ParsedMultivariant, ParsedPart, ParsedSegment, parse_date_time, parse_media, parse_multivariant,
};
use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

/// No request waits longer: a server may block for three target durations.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(30);
/// Between looks at a stream that has not begun.
const START_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    pub msn: u64,
    pub index: usize,
}

/// A part that was fetched.
#[derive(Debug, Clone)]
pub struct SeenPart {
    pub bytes: Bytes,
    pub duration_s: f64,
    pub is_independent: bool,
    /// Name of the init segment that holds.
    pub init: String,
    /// From the date at which its media ends to the moment it was there, in milliseconds. Negative when the publisher is
    /// faster than time.
    pub latency_ms: i64,
}

/// What a viewer saw of one rendition.
#[derive(Debug, Default)]
pub struct Seen {
    pub parts: BTreeMap<PartName, SeenPart>,
    pub inits: BTreeMap<String, Bytes>,
    /// Numbers of segments listed as gaps.
    pub gaps: Vec<u64>,
    /// Numbers of segments with a discontinuity before them.
    pub discontinuities: Vec<u64>,
    /// Rules that were broken, each once.
    pub violations: Vec<String>,
    /// Parts that were announced and could not be fetched.
    pub lost: Vec<PartName>,
    pub playlists: usize,
    pub first_part_after: Option<Duration>,
    pub last: ParsedMedia,
    pub is_ended: bool,
}

impl Seen {
    /// Seconds of media fetched.
    pub fn duration_s(&self) -> f64 {
        self.parts.values().map(|part| part.duration_s).sum()
    }

    /// Numbers of segments of which parts were fetched, in order.
    pub fn msns(&self) -> Vec<u64> {
        let mut msns: Vec<u64> = self.parts.keys().map(|name| name.msn).collect();
        msns.dedup();
        msns
    }

    /// The `percent`th percentile of the parts' latency in milliseconds.
    pub fn latency_ms(&self, percent: usize) -> i64 {
        let mut all: Vec<i64> = self.parts.values().map(|part| part.latency_ms).collect();
        all.sort_unstable();
        all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied().unwrap_or(0)
    }

    /// Writes init segments and parts as one file. With several init segments players of files see a broken one after the
    /// first; use [`Seen::write_period`] then.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        self.write_where(path, |_| true)
    }

    /// Writes what belongs to one init segment.
    pub fn write_period(&self, path: &Path, init: &str) -> anyhow::Result<()> {
        self.write_where(path, |part| part.init == init)
    }

    fn write_where(&self, path: &Path, belongs: impl Fn(&SeenPart) -> bool) -> anyhow::Result<()> {
        let (mut out, mut init) = (Vec::new(), None);
        for part in self.parts.values().filter(|part| belongs(part)) {
            if init != Some(&part.init) {
                init = Some(&part.init);
                out.extend_from_slice(self.inits.get(&part.init).context("an init segment is missing")?);
            }
            out.extend_from_slice(&part.bytes);
        }
        Ok(std::fs::write(path, out)?)
    }
}

/// Follows streams over HTTP. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Viewer {
    client: reqwest::Client,
    base: String,
}

/// When to stop watching.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Ended,
    /// So many parts were fetched.
    Parts(usize),
    /// A part of this segment was fetched.
    Msn(u64),
}

impl Viewer {
    /// `base` is the server's address without a trailing slash.
    pub fn new(base: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_WAIT_MAX).build().expect("a client");
        Self { client, base: base.to_owned() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// One request, as it comes back.
    pub async fn get(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        Ok(self.client.get(self.url(path)).send().await?)
    }

    pub async fn text(&self, path: &str) -> anyhow::Result<(StatusCode, String)> {
        let answer = self.get(path).await?;
        let status = answer.status();
        Ok((status, answer.text().await?))
    }

    /// The channel's multivariant playlist, once there is one.
    pub async fn multivariant(&self, username: &str, patience: Duration) -> anyhow::Result<ParsedMultivariant> {
        let (path, deadline) = (format!("/live/{username}/index.m3u8"), Instant::now() + patience);
        loop {
            let (status, text) = self.text(&path).await?;
            if status.is_success() {
                return Ok(parse_multivariant(&text)?);
            }
            if Instant::now() > deadline {
                bail!("{path} still answers {status}: {text}");
            }
            sleep(START_LOOK_EVERY).await;
        }
    }

    /// Path of a rendition's playlist: a variant's by name, or the audio's.
    pub async fn rendition(&self, username: &str, name: &str, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let playlist = self.multivariant(username, patience).await?;
            let needle = format!("/{name}/");
            let uris = playlist.variants.iter().map(|variant| variant.uri.clone());
            let mut uris = uris.chain(playlist.renditions.iter().filter_map(|rendition| rendition.uri.clone()));
            if let Some(uri) = uris.find(|uri| uri.contains(&needle)) {
                return Ok(format!("/live/{username}/{uri}"));
            }
            if Instant::now() > deadline {
                bail!("{username} has no rendition {name}: {playlist:?}");
            }
            sleep(START_LOOK_EVERY).await;
        }
    }

    /// Follows the rendition whose playlist is at `path`.
    pub async fn watch(&self, path: &str, until: Until) -> anyhow::Result<Seen> {
        let mut watch = Watch::new(self.clone(), path);
        while !watch.is_done(until) {
            watch.step().await?;
        }
        Ok(watch.seen)
    }

    /// [`Viewer::watch`], step by step.
    pub fn begin(&self, path: &str) -> Watch {
        Watch::new(self.clone(), path)
    }
}

/// A viewing in progress.
#[derive(Debug)]
pub struct Watch {
    viewer: Viewer,
    path: String,
    folder: String,
    began: Instant,
    next: Option<PartName>,
    pub seen: Seen,
}

impl Watch {
    fn new(viewer: Viewer, path: &str) -> Self {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        Self { viewer, path: path.to_owned(), folder, began: Instant::now(), next: None, seen: Seen::default() }
    }

    fn is_done(&self, until: Until) -> bool {
        let reached = match until {
            Until::Ended => false,
            Until::Parts(count) => self.seen.parts.len() >= count,
            Until::Msn(msn) => self.seen.parts.keys().next_back().is_some_and(|name| name.msn >= msn),
        };
        reached || self.seen.is_ended
    }

    /// One reload, and the parts it announced.
    pub async fn step(&mut self) -> anyhow::Result<()> {
        let path = match self.next {
            Some(next) => format!("{}?_HLS_msn={}&_HLS_part={}", self.path, next.msn, next.index),
            None => self.path.clone(),
        };
        let answer = self.viewer.get(&path).await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::NOT_FOUND {
            // Nothing came in time: a player asks again.
            sleep(START_LOOK_EVERY).await;
            return Ok(());
        }
        if !status.is_success() {
            bail!("{path} answers {status}: {text}");
        }
        let now_ms = kit::clock::now().timestamp_millis();
        let playlist = parse_media(&text)?;
        let before = (self.seen.playlists > 0).then_some(&self.seen.last);
        let name = self.folder.rsplit('/').next().unwrap_or_default();
        for rule in rules::check(before, &playlist, &text) {
            // A broken line stays in the window for long: it is told once.
            let rule = format!("{name}: {rule}");
            if !self.seen.violations.contains(&rule) {
                self.seen.violations.push(rule);
            }
        }
        self.seen.playlists += 1;
        self.take(&playlist, now_ms).await?;
        self.seen.is_ended = playlist.is_ended;
        self.seen.last = playlist;
        Ok(())
    }

    async fn take(&mut self, playlist: &ParsedMedia, now_ms: i64) -> anyhow::Result<()> {
        let mut map = String::new();
        let mut next = None;
        for segment in &playlist.segments {
            map = segment.map.clone().unwrap_or(map);
            self.remember(segment.msn, segment.is_gap, segment.is_discontinuity);
            let date = segment.program_date_time.as_deref().and_then(parse_date_time);
            if segment.parts.is_empty() && !segment.is_gap {
                self.fetch_whole(segment, &map).await?;
            }
            self.fetch(segment.msn, &segment.parts, date, &map, now_ms).await?;
            next = Some(PartName { msn: segment.msn + 1, index: 0 });
        }
        let open = playlist.segments.last().map_or(playlist.media_sequence, |last| last.msn + 1);
        if !playlist.open_parts.is_empty() {
            map = playlist.open_map.clone().unwrap_or(map);
            self.remember(open, false, playlist.is_open_discontinuity);
            let date = playlist.open_program_date_time.as_deref().and_then(parse_date_time);
            self.fetch(open, &playlist.open_parts, date, &map, now_ms).await?;
            next = Some(PartName { msn: open, index: playlist.open_parts.len() });
        }
        self.next = next.or(self.next);
        Ok(())
    }

    fn remember(&mut self, msn: u64, is_gap: bool, is_discontinuity: bool) {
        if is_gap && !self.seen.gaps.contains(&msn) {
            self.seen.gaps.push(msn);
        }
        if is_discontinuity && !self.seen.discontinuities.contains(&msn) {
            self.seen.discontinuities.push(msn);
        }
    }

    /// A segment whose parts are not listed any more, unless all of them were fetched.
    async fn fetch_whole(&mut self, segment: &ParsedSegment, map: &str) -> anyhow::Result<()> {
        let names = PartName { msn: segment.msn, index: 0 }..PartName { msn: segment.msn + 1, index: 0 };
        let have: f64 = self.seen.parts.range(names.clone()).map(|(_, part)| part.duration_s).sum();
        if have + 0.002 >= segment.duration_s {
            return Ok(());
        }
        self.seen.parts.retain(|name, _| !names.contains(name));
        self.fetch_init(map).await?;
        let name = PartName { msn: segment.msn, index: 0 };
        let answer = self.viewer.get(&format!("{}/{}", self.folder, segment.uri)).await?;
        if !answer.status().is_success() {
            self.seen.lost.push(name);
            return Ok(());
        }
        let bytes = answer.bytes().await?;
        let (duration_s, init) = (segment.duration_s, map.to_owned());
        let seen = SeenPart { bytes, duration_s, is_independent: true, init, latency_ms: 0 };
        self.seen.parts.insert(name, seen);
        Ok(())
    }

    async fn fetch_init(&mut self, map: &str) -> anyhow::Result<()> {
        if !map.is_empty() && !self.seen.inits.contains_key(map) {
            let answer = self.viewer.get(&format!("{}/{map}", self.folder)).await?.error_for_status()?;
            self.seen.inits.insert(map.to_owned(), answer.bytes().await?);
        }
        Ok(())
    }

    async fn fetch(
        &mut self,
        msn: u64,
        parts: &[ParsedPart],
        date: Option<i64>,
        map: &str,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let mut at_ms = date.map(|date| date as f64);
        for (index, part) in parts.iter().enumerate() {
            at_ms = at_ms.map(|at| at + part.duration_s * 1_000.0);
            let name = PartName { msn, index };
            if self.seen.parts.contains_key(&name) || part.is_gap {
                continue;
            }
            self.fetch_init(map).await?;
            let answer = self.viewer.get(&format!("{}/{}", self.folder, part.uri)).await?;
            if !answer.status().is_success() {
                self.seen.lost.push(name);
                continue;
            }
            let bytes = answer.bytes().await?;
            self.seen.first_part_after.get_or_insert_with(|| self.began.elapsed());
            let latency_ms = at_ms.map_or(0, |at| now_ms - at as i64);
            let (duration_s, is_independent) = (part.duration_s, part.is_independent);
            let seen = SeenPart { bytes, duration_s, is_independent, init: map.to_owned(), latency_ms };
            self.seen.parts.insert(name, seen);
        }
        Ok(())
    }
}
