//! Rules of all renditions together: what they share, what they say of each other, what they weigh.

use super::multivariant::Child;
use super::{AVERAGE, Findings, PEAK, REPORT_ALL, REPORT_TRUE, SET_DISCONTINUITY, SET_DURATION, SET_TARGET};
use crate::playlist::{Playlist, RenditionReport};

/// Recordings may differ by so much, in seconds: audio and video frames end at different times.
const DURATION_SLACK_S: f64 = 1.0;

/// `playlists` are the newest versions of all renditions.
pub fn check(playlists: &[&Playlist], out: &mut Findings) {
    // I-frame playlists have a target of their own.
    let whole: Vec<&Playlist> = playlists.iter().copied().filter(|playlist| !playlist.is_iframes_only).collect();
    let Some((first, others)) = whole.split_first() else { return };
    for other in others {
        if other.target_s != first.target_s {
            let line = other.with_tag("#EXT-X-TARGETDURATION").next().map(|line| line.number);
            out.add(&SET_TARGET, &other.url, line, format!("{:?}, elsewhere {:?}", other.target_s, first.target_s));
        }
        let (here_s, there_s) = (other.duration_s(), first.duration_s());
        if first.is_ended && other.is_ended && (here_s - there_s).abs() > DURATION_SLACK_S {
            out.add(&SET_DURATION, &other.url, None, format!("{here_s:.3} s, elsewhere {there_s:.3}"));
        }
        discontinuities(first, other, out);
        discontinuities(other, first, out);
    }
}

/// Each discontinuity of `one` that lies well inside the time `other` covers is there too.
fn discontinuities(one: &Playlist, other: &Playlist, out: &mut Findings) {
    let slack_ms = i64::try_from(one.target_s.unwrap_or_default()).unwrap_or_default().saturating_mul(1_000);
    let dates = |playlist: &Playlist| -> Vec<i64> {
        playlist.segments.iter().filter_map(crate::playlist::Segment::date_ms).collect()
    };
    let covered = dates(other);
    let (Some(from), Some(to)) = (covered.first(), covered.last()) else { return };
    let there: Vec<i64> =
        other.segments.iter().filter(|s| s.is_discontinuity).filter_map(crate::playlist::Segment::date_ms).collect();
    for segment in one.segments.iter().filter(|segment| segment.is_discontinuity) {
        let Some(at) = segment.date_ms().filter(|at| *at > from + slack_ms && *at < to - slack_ms) else { continue };
        if !there.iter().any(|other| (other - at).abs() <= slack_ms) {
            out.add(&SET_DISCONTINUITY, &other.url, None, format!("none where {} has one", segment.uri));
        }
    }
}

/// `known` are the addresses reports should name, already resolved, without that of `playlist`.
pub fn check_reports(playlist: &Playlist, reported: &[String], known: &[String], out: &mut Findings) {
    if !playlist.is_low_latency() || playlist.is_ended || playlist.is_iframes_only {
        return;
    }
    let bare = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    for url in known {
        if !reported.iter().any(|reported| bare(reported) == bare(url)) {
            out.add(&REPORT_ALL, &playlist.url, None, format!("nothing of {}", bare(url)));
        }
    }
}

/// What one report says against what was seen of that rendition: `floor` before the request, `ceiling` after the answer.
pub fn check_report(playlist: &Playlist, report: &RenditionReport, floor: u64, ceiling: u64, out: &mut Findings) {
    let Some(last) = report.last_msn else { return };
    // One segment of room on each side: renditions are cut at slightly different moments.
    if last.saturating_add(1) < floor || last > ceiling.saturating_add(2) {
        let uri = report.uri.as_deref().unwrap_or_default();
        let what = format!("{uri} is reported at {last} and was seen between {floor} and {ceiling}");
        out.add(&REPORT_TRUE, &playlist.url, report.line, what);
    }
}

/// What was measured of one rendition.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Weight {
    pub bits: f64,
    pub seconds: f64,
    /// The heaviest segment, in bits per second.
    pub peak: f64,
}

impl Weight {
    /// Adds a segment. Very short ones say nothing of a rate.
    pub fn add(&mut self, bytes: usize, seconds: f64) {
        if seconds >= 0.5 {
            let bits = bytes as f64 * 8.0;
            self.bits += bits;
            self.seconds += seconds;
            self.peak = self.peak.max(bits / seconds);
        }
    }

    fn average(self) -> f64 {
        if self.seconds > 0.0 { self.bits / self.seconds } else { 0.0 }
    }
}

/// `audio` is what plays along with the variant.
pub fn check_weight(url: &str, child: &Child, video: Weight, audio: Weight, out: &mut Findings) {
    let (peak, average) = (video.peak + audio.peak, video.average() + audio.average());
    if let Some(declared) = child.bandwidth.filter(|declared| peak > 1.25 * *declared as f64) {
        out.add(&PEAK, url, child.line, format!("{}: {peak:.0} bit/s of {declared}", child.uri));
    }
    if let Some(declared) = child.average_bandwidth.filter(|declared| average > 1.10 * *declared as f64) {
        out.add(&AVERAGE, url, child.line, format!("{}: {average:.0} bit/s of {declared}", child.uri));
    }
}
