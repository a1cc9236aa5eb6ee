//! `transcoder.ladder`: which renditions are made below the source.
//!
//! Owns the text's grammar and the bit rates that go without saying. Which of the rungs a stream gets depends on its picture and on the machine,
//! and is decided where streams are.

/// Most rungs of a ladder.
pub const RUNGS_MAX: usize = 6;
/// What stands for the usual ladder.
const USUAL: &str = "usual";
/// The usual ladder, written out.
pub const USUAL_LADDER: &str = "720p:2800,480p:1400,360p:800";

/// Shorter side in pixels and kilobits per second of rungs that may be named without a bit rate.
const NAMED: &[(u32, u32)] =
    &[(1_440, 9_000), (1_080, 5_000), (720, 2_800), (540, 2_000), (480, 1_400), (360, 800), (240, 400), (160, 250)];
/// No bit rate that goes without saying is lower.
const BITRATE_KBPS_MIN: u32 = 100;
/// Frames a second of a rung that stands for the source itself.
const WHOLE_FPS_MAX: u32 = 60;
/// Rungs up to this height get 30 frames a second unless told otherwise, higher ones 60.
const SLOW_HEIGHT_MAX: u32 = 480;

/// One rendition below the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LadderRung {
    /// Length of the picture's shorter side, in pixels.
    pub height: u32,
    pub bitrate_kbps: u32,
    /// Frames per second it has at most.
    pub fps_max: u32,
}

impl LadderRung {
    /// A rung that stands for a source of this height, for viewers who cannot decode it: a bit rate between those of the
    /// named heights around it, and the source's frames.
    pub fn standing_in(height: u32) -> Self {
        Self { height, bitrate_kbps: usual_kbps(height), fps_max: WHOLE_FPS_MAX }
    }
}

/// The bit rate of a height nobody gave one: on the line between its neighbours in [`NAMED`], beyond them in proportion.
fn usual_kbps(height: u32) -> u32 {
    let above = NAMED.iter().rev().find(|(named, _)| *named >= height);
    let below = NAMED.iter().find(|(named, _)| *named <= height);
    let kbps = match (below, above) {
        (Some((low, kbps)), Some((high, _))) if low == high => *kbps,
        (Some((low, least)), Some((high, most))) => least + (most - least) * (height - low) / (high - low),
        (None, Some((named, kbps))) | (Some((named, kbps)), None) => kbps.saturating_mul(height) / named,
        (None, None) => 0,
    };
    kbps.max(BITRATE_KBPS_MIN)
}

/// Reads a ladder: `none`, `usual`, or rungs such as `720p`, `480p:1200` or `720p30:2000`, separated by commas. Tallest
/// first, whatever the order in the text.
pub fn parse(text: &str) -> Result<Vec<LadderRung>, String> {
    let text = text.trim();
    match text {
        "none" => return Ok(Vec::new()),
        USUAL => return parse(USUAL_LADDER),
        _ => {}
    }
    let mut rungs = text.split(',').map(|item| rung(item.trim())).collect::<Result<Vec<_>, _>>()?;
    rungs.sort_by_key(|rung| std::cmp::Reverse(rung.height));
    if let Some(twice) = rungs.windows(2).find(|pair| pair[0].height == pair[1].height) {
        return Err(format!("names {}p twice", twice[0].height));
    }
    if rungs.len() > RUNGS_MAX {
        return Err(format!("has {} rungs, more than {RUNGS_MAX}", rungs.len()));
    }
    Ok(rungs)
}

fn rung(item: &str) -> Result<LadderRung, String> {
    let unreadable = || format!("must be none, usual or rungs such as 720p, 480p:1200 or 720p30:2000, not {item:?}");
    let (shape, bitrate) = match item.split_once(':') {
        Some((shape, bitrate)) => (shape, Some(number(bitrate).ok_or_else(unreadable)?)),
        None => (item, None),
    };
    let (height, fps) = shape.split_once('p').ok_or_else(unreadable)?;
    let height = number(height).ok_or_else(unreadable)?;
    let fps = if fps.is_empty() { None } else { Some(number(fps).ok_or_else(unreadable)?) };
    let named = NAMED.iter().find(|(named, _)| *named == height).map(|(_, kbps)| *kbps);
    let bitrate_kbps = bitrate.or(named).ok_or_else(|| format!("needs a bit rate for {height}p: {height}p:KBPS"))?;
    let fps_max = fps.unwrap_or(if height <= SLOW_HEIGHT_MAX { 30 } else { 60 });
    if !(120..=2_160).contains(&height) || height % 2 != 0 {
        return Err(format!("has a rung of {height}p; heights are even, 120 to 2160"));
    }
    if !(100..=50_000).contains(&bitrate_kbps) {
        return Err(format!("gives {height}p {bitrate_kbps} kbit/s; bit rates are 100 to 50000"));
    }
    if !(5..=120).contains(&fps_max) {
        return Err(format!("gives {height}p {fps_max} frames a second; rates are 5 to 120"));
    }
    Ok(LadderRung { height, bitrate_kbps, fps_max })
}

/// A plain decimal number: no sign, no space.
fn number(text: &str) -> Option<u32> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(height: u32, bitrate_kbps: u32, fps_max: u32) -> LadderRung {
        LadderRung { height, bitrate_kbps, fps_max }
    }

    #[test]
    fn the_usual_ladder_and_none() {
        assert_eq!(parse("usual").unwrap(), [rung(720, 2_800, 60), rung(480, 1_400, 30), rung(360, 800, 30)]);
        assert_eq!(parse("usual").unwrap(), parse("360p, 720p,480p").unwrap());
        assert_eq!(parse("none").unwrap(), []);
    }

    #[test]
    fn bit_rates_and_frame_rates_can_be_told() {
        assert_eq!(parse("480p60:1200,720p30").unwrap(), [rung(720, 2_800, 30), rung(480, 1_200, 60)]);
        assert_eq!(parse("600p:1900").unwrap(), [rung(600, 1_900, 60)]);
    }

    #[test]
    fn a_rung_in_the_sources_place_has_a_bit_rate_between_its_neighbours() {
        for (height, kbps) in [
            (1_080, 5_000),
            (720, 2_800),
            (900, 3_900),
            (480, 1_400),
            (600, 2_266),
            (360, 800),
            (180, 287),
            (100, 156),
            (2, 100),
            (2_880, 18_000),
        ] {
            assert_eq!(LadderRung::standing_in(height), rung(height, kbps, 60), "{height}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "must be"),
            ("480", "must be"),
            ("480p,", "must be"),
            ("+480p", "must be"),
            ("480p:fast", "must be"),
            ("none,480p", "must be"),
            ("600p", "needs a bit rate"),
            ("480p,480p30", "twice"),
            ("4320p:20000", "heights"),
            ("481p:1000", "heights"),
            ("480p:1", "bit rates"),
            ("480p240", "frames a second"),
            ("240p,360p,480p,540p,720p,1080p,1440p", "more than 6"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
