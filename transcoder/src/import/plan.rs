//! What is made of a file: which of its tracks are taken, and how. Pure.

use domain::import::{DURATION_MAX, FRAME_RATE_MAX, ImportFail, SIDES_MAX, TRACKS_MAX};
use media::codec::{AacConfig, VideoCodec, VideoConfig};

use crate::worker::{Contents, Track};

/// A track that is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken<C> {
    pub(super) number: usize,
    pub(super) config: C,
}

/// The picture and the sound of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) video: Option<Taken<VideoConfig>>,
    pub(super) audio: Option<Taken<AacConfig>>,
    pub(super) duration_ns: Option<u64>,
}

impl Plan {
    /// The first picture and the first sound of the file, if everything about them is within bounds.
    pub(super) fn of(contents: &Contents) -> Result<Self, ImportFail> {
        if contents.tracks.len() > TRACKS_MAX {
            return Err(ImportFail::TooManyTracks);
        }
        if contents.duration_ns.is_some_and(|ns| u128::from(ns) > DURATION_MAX.as_nanos()) {
            return Err(ImportFail::TooLong);
        }
        let of_kind = |kind: &str| contents.tracks.iter().find(|track| track.format.starts_with(kind));
        let video = of_kind("video/").map(video).transpose()?;
        let audio = of_kind("audio/").map(audio).transpose()?;
        if video.is_none() && audio.is_none() {
            return Err(ImportFail::Empty);
        }
        Ok(Self { video, audio, duration_ns: contents.duration_ns })
    }

    /// The tracks to ask for.
    pub(super) fn takes(&self) -> Vec<u8> {
        let numbers = self.video.iter().map(|taken| taken.number).chain(self.audio.iter().map(|taken| taken.number));
        numbers.filter_map(|number| u8::try_from(number).ok()).collect()
    }
}

fn video(track: &Track) -> Result<Taken<VideoConfig>, ImportFail> {
    let codec = match (track.format.as_str(), track.layout.as_str()) {
        ("video/x-h264", "avc") => VideoCodec::Avc,
        ("video/x-h265", "hvc1") => VideoCodec::Hevc,
        ("video/x-av1", _) => VideoCodec::Av1,
        _ => return Err(ImportFail::Codec),
    };
    // A picture that lies on its side would have to be turned.
    if !track.orientation.is_empty() {
        return Err(ImportFail::Codec);
    }
    let config = VideoConfig::parse(codec, &track.codec_data).map_err(|_| ImportFail::Codec)?;
    let (width, height) = config.size();
    let (rate, per) = track.frame_rate;
    let is_too_fast = per > 0 && rate / per > FRAME_RATE_MAX;
    if width.max(height) > SIDES_MAX.0 || width.min(height) > SIDES_MAX.1 || width.min(height) == 0 || is_too_fast {
        return Err(ImportFail::TooLarge);
    }
    Ok(Taken { number: usize::from(track.number), config })
}

fn audio(track: &Track) -> Result<Taken<AacConfig>, ImportFail> {
    if track.format != "audio/mpeg" || track.mpeg_version != 4 || !matches!(track.layout.as_str(), "raw" | "") {
        return Err(ImportFail::Codec);
    }
    let config = AacConfig::parse(&track.codec_data).map_err(|_| ImportFail::Codec)?;
    Ok(Taken { number: usize::from(track.number), config })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aac(number: u8) -> Track {
        let format = "audio/mpeg".to_owned();
        Track {
            number,
            format,
            layout: "raw".to_owned(),
            mpeg_version: 4,
            codec_data: vec![0x11, 0x90],
            ..Track::default()
        }
    }

    fn other(number: u8, format: &str) -> Track {
        Track { number, format: format.to_owned(), ..Track::default() }
    }

    fn plan(tracks: Vec<Track>, duration_s: u64) -> Result<Plan, ImportFail> {
        Plan::of(&Contents { tracks, duration_ns: Some(duration_s * 1_000_000_000) })
    }

    #[test]
    fn sound_alone_is_enough_and_subtitles_are_left_where_they_are() {
        let made = plan(vec![other(0, "text/x-raw"), aac(1), aac(2)], 60).expect("a plan");
        assert_eq!(made.takes(), [1]);
        assert!(made.video.is_none());
        assert_eq!(plan(vec![other(0, "text/x-raw")], 60), Err(ImportFail::Empty));
        assert_eq!(plan(Vec::new(), 60), Err(ImportFail::Empty));
    }

    #[test]
    fn what_is_over_a_bound_is_refused_by_its_name() {
        assert_eq!(plan(vec![aac(0)], 12 * 3_600 + 1), Err(ImportFail::TooLong));
        assert_eq!(plan((0..9).map(aac).collect(), 60), Err(ImportFail::TooManyTracks));
        assert_eq!(plan(vec![other(0, "video/x-flash-video"), aac(1)], 60), Err(ImportFail::Codec));
        let nonsense = Track { codec_data: vec![1, 2, 3], layout: "avc".to_owned(), ..other(0, "video/x-h264") };
        assert_eq!(plan(vec![nonsense], 60), Err(ImportFail::Codec));
    }
}
