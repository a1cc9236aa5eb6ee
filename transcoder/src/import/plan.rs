//! What is made of a file: which of its tracks are taken, and how. Pure.

use domain::import::{DURATION_MAX, FRAME_RATE_MAX, ImportFail, SIDES_MAX, TRACKS_MAX};
use media::codec::{AacConfig, VideoCodec, VideoConfig};

use crate::worker::{Contents, Recode, Track};

/// A track that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken<C> {
    pub(super) number: usize,
    pub(super) how: How<C>,
}

/// What becomes of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How<C> {
    /// It is passed on as it is.
    Pass(C),
    /// Players would not play it.
    Recode(Recode),
}

/// The picture and the sound of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) video: Option<Taken<VideoConfig>>,
    pub(super) audio: Option<Taken<AacConfig>>,
    pub(super) duration_ns: Option<u64>,
    pub(super) frame_rate: (u32, u32),
}

impl Plan {
    /// The first picture and the first sound of the file, if everything about them is within bounds. `is_anew`: nothing is passed on.
    pub(super) fn of(contents: &Contents, is_anew: bool) -> Result<Self, ImportFail> {
        if contents.tracks.len() > TRACKS_MAX {
            return Err(ImportFail::TooManyTracks);
        }
        if contents.duration_ns.is_some_and(|ns| u128::from(ns) > DURATION_MAX.as_nanos()) {
            return Err(ImportFail::TooLong);
        }
        let of_kind = |kind: &str| contents.tracks.iter().find(|track| track.format.starts_with(kind));
        let picture = of_kind("video/");
        let video = picture.map(|track| video(track, is_anew)).transpose()?;
        let audio = of_kind("audio/").map(|track| audio(track, is_anew)).transpose()?;
        if video.is_none() && audio.is_none() {
            return Err(ImportFail::Empty);
        }
        let frame_rate = picture.map_or((0, 0), |track| track.frame_rate);
        Ok(Self { video, audio, duration_ns: contents.duration_ns, frame_rate })
    }

    /// The tracks to ask for.
    pub(super) fn takes(&self) -> Vec<(u8, Option<Recode>)> {
        fn take<C>(taken: &Taken<C>) -> (usize, Option<Recode>) {
            match &taken.how {
                How::Pass(_) => (taken.number, None),
                How::Recode(recode) => (taken.number, Some(recode.clone())),
            }
        }
        let taken = self.video.as_ref().map(take).into_iter().chain(self.audio.as_ref().map(take));
        taken.filter_map(|(number, recode)| Some((u8::try_from(number).ok()?, recode))).collect()
    }

    /// Whether the picture is coded anew, which is better not done twice.
    pub(super) fn has_new_picture(&self) -> bool {
        self.video.as_ref().is_some_and(|taken| matches!(taken.how, How::Recode(_)))
    }
}

fn video(track: &Track, is_anew: bool) -> Result<Taken<VideoConfig>, ImportFail> {
    let number = usize::from(track.number);
    let (rate, per) = track.frame_rate;
    let is_too_fast = per > 0 && rate / per > FRAME_RATE_MAX;
    let check = |(width, height): (u32, u32)| {
        let is_within = width.max(height) <= SIDES_MAX.0 && width.min(height) <= SIDES_MAX.1 && width.min(height) > 0;
        if is_within && !is_too_fast { Ok(()) } else { Err(ImportFail::TooLarge) }
    };
    let codec = match (track.format.as_str(), track.layout.as_str()) {
        ("video/x-h264", "avc") => Some(VideoCodec::Avc),
        ("video/x-h265", "hvc1") => Some(VideoCodec::Hevc),
        ("video/x-av1", _) => Some(VideoCodec::Av1),
        _ => None,
    };
    // A picture that lies on its side has to be turned.
    let passed = codec.filter(|_| track.orientation.is_empty() && !is_anew);
    if let Some(config) = passed.and_then(|codec| VideoConfig::parse(codec, &track.codec_data).ok()) {
        check(config.size())?;
        return Ok(Taken { number, how: How::Pass(config) });
    }
    let decoder = match track.format.as_str() {
        "video/x-vp8" => "vp8dec",
        "video/x-vp9" => "vp9dec",
        "video/x-h264" => "avdec_h264",
        "video/x-h265" => "avdec_h265",
        _ => return Err(ImportFail::Codec),
    };
    let (width, height) = (track.width, track.height);
    check((width, height))?;
    let recode = Recode::Picture {
        decoder: decoder.to_owned(),
        orientation: track.orientation.clone(),
        width,
        height,
        frame_rate: track.frame_rate,
    };
    Ok(Taken { number, how: How::Recode(recode) })
}

fn audio(track: &Track, is_anew: bool) -> Result<Taken<AacConfig>, ImportFail> {
    let number = usize::from(track.number);
    let is_aac = track.format == "audio/mpeg" && matches!(track.mpeg_version, 2 | 4);
    let passed = is_aac && !is_anew && matches!(track.layout.as_str(), "raw" | "");
    if let Some(config) = passed.then(|| AacConfig::parse(&track.codec_data).ok()).flatten() {
        return Ok(Taken { number, how: How::Pass(config) });
    }
    let decoder = match track.format.as_str() {
        "audio/mpeg" if is_aac => "avdec_aac",
        "audio/x-opus" => "opusdec",
        "audio/x-vorbis" => "vorbisdec",
        _ => return Err(ImportFail::Codec),
    };
    Ok(Taken { number, how: How::Recode(Recode::Sound { decoder: decoder.to_owned() }) })
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
        Plan::of(&Contents { tracks, duration_ns: Some(duration_s * 1_000_000_000) }, false)
    }

    #[test]
    fn sound_alone_is_enough_and_subtitles_are_left_where_they_are() {
        let made = plan(vec![other(0, "text/x-raw"), aac(1), aac(2)], 60).expect("a plan");
        assert_eq!(made.takes(), [(1, None)]);
        assert!(made.video.is_none());
        assert_eq!(plan(vec![other(0, "text/x-raw")], 60), Err(ImportFail::Empty));
        assert_eq!(plan(Vec::new(), 60), Err(ImportFail::Empty));
    }

    #[test]
    fn what_players_do_not_play_is_coded_anew_and_so_is_a_picture_that_lies_on_its_side() {
        let decoder = |format: &str, orientation: &str| {
            let track = Track { width: 64, height: 36, orientation: orientation.to_owned(), ..other(0, format) };
            match plan(vec![track], 60).expect("a plan").takes().remove(0).1 {
                Some(Recode::Picture { decoder, orientation, .. }) => (decoder, orientation),
                how => panic!("{how:?}"),
            }
        };
        assert_eq!(decoder("video/x-vp9", ""), ("vp9dec".to_owned(), String::new()));
        assert_eq!(decoder("video/x-h264", "rotate-90"), ("avdec_h264".to_owned(), "rotate-90".to_owned()));
        let opus = plan(vec![other(0, "audio/x-opus")], 60).expect("a plan");
        assert_eq!(opus.takes(), [(0, Some(Recode::Sound { decoder: "opusdec".to_owned() }))]);
        let anew = Plan::of(&Contents { tracks: vec![aac(0)], duration_ns: None }, true).expect("a plan");
        assert_eq!(anew.takes(), [(0, Some(Recode::Sound { decoder: "avdec_aac".to_owned() }))]);
    }

    #[test]
    fn what_is_over_a_bound_is_refused_by_its_name() {
        assert_eq!(plan(vec![aac(0)], 12 * 3_600 + 1), Err(ImportFail::TooLong));
        assert_eq!(plan((0..9).map(aac).collect(), 60), Err(ImportFail::TooManyTracks));
        assert_eq!(plan(vec![other(0, "video/x-flash-video"), aac(1)], 60), Err(ImportFail::Codec));
        let huge = Track { width: 8_000, height: 4_000, ..other(0, "video/x-vp9") };
        assert_eq!(plan(vec![huge], 60), Err(ImportFail::TooLarge));
        let fast = Track { width: 80, height: 40, frame_rate: (1_000, 1), ..other(0, "video/x-vp9") };
        assert_eq!(plan(vec![fast], 60), Err(ImportFail::TooLarge));
    }
}
