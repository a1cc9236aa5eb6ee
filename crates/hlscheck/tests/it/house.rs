//! What our own writers write keeps every rule that text can show.

use hlscheck::playlist::Playlist;
use hlscheck::rules::{Findings, delta, low_latency, media as rules_of_media, multivariant, succession, syntax};
use media::playlist::{
    AudioRendition, IFrames, MediaPlaylist, Multivariant, PartLine, RenditionReport, SegmentStart, SegmentTail,
    Variant, VodPlaylist, VodSegment,
};
use media::segmenter::PartId;

const URL: &str = "http://h/live/alice/source/index.m3u8";

fn start(msn: u64) -> SegmentStart {
    // A publisher that came back: a discontinuity and another init segment.
    let (init, is_discontinuity) = (u32::from(msn >= 9), msn == 9);
    SegmentStart {
        msn,
        program_date_time_ms: 1_700_000_000_000 + msn as i64 * 2_000,
        init,
        is_discontinuity,
        starts_at_us: None,
    }
}

/// `parts` published since the beginning; ten make a segment.
fn published(parts: u64) -> MediaPlaylist {
    let mut playlist = MediaPlaylist::new(2, 12, 0);
    playlist.set_part_target(0.2);
    for part in 0..parts {
        let (msn, index) = (part / 10, part % 10);
        if index == 0 {
            playlist.begin_segment(start(msn));
        }
        playlist.push_part(PartLine { duration_s: 0.2, is_independent: index == 0 });
        if index == 9 {
            playlist.end_segment(SegmentTail { duration_s: 2.0, is_gap: false, iframe_len: Some(900) });
        }
    }
    let last = PartId { msn: parts / 10, index: (parts % 10) as u32 };
    playlist.set_hint(Some(last));
    playlist.set_reports(vec![RenditionReport { uri: "../audio/index.m3u8".to_owned(), last }]);
    playlist
}

fn alone(text: &str, is_skip_asked: bool, out: &mut Findings) -> Playlist {
    let playlist = Playlist::parse(URL, text);
    syntax::check_bytes(URL, text.as_bytes(), out);
    syntax::check(&playlist, out);
    delta::check(&playlist, is_skip_asked, out);
    if playlist.is_multivariant {
        multivariant::check(&playlist, out);
    } else if playlist.skip.is_none() {
        rules_of_media::check(&playlist, out);
        low_latency::check(&playlist, out);
    }
    playlist
}

#[test]
fn our_live_playlists_keep_the_rules_from_part_to_part() {
    let mut out = Findings::default();
    let mut before: Option<Playlist> = None;
    for parts in 5..400 {
        let model = published(parts);
        let now = alone(&model.render(false), false, &mut out);
        let short = alone(&model.render(true), true, &mut out);
        alone(&model.render_iframes(""), false, &mut out);
        if let Some(before) = &before {
            succession::check(before, &now, &mut out);
            let merged = delta::merge(before, &short).expect("the part before is enough to merge with");
            delta::check_merge(&merged, &now, &mut out);
        }
        before = Some(now);
    }
    let mut ended = published(400);
    ended.end();
    let ended = alone(&ended.render(false), false, &mut out);
    succession::check(&before.expect("there were some"), &ended, &mut out);
    assert_eq!(out.0, []);
}

#[test]
fn our_recordings_keep_the_rules() {
    let mut out = Findings::default();
    let segment = |msn: u64| VodSegment {
        msn,
        duration_s: 2.0,
        init: u32::from(msn > 4),
        is_discontinuity: msn == 5,
        program_date_time_ms: Some(1_700_000_000_000 + msn as i64 * 2_000),
        is_gap: msn == 6,
        iframe_len: None,
    };
    let written = |count: u64, is_complete: bool| {
        VodPlaylist { target_duration_s: 2, segments: (0..count).map(segment).collect(), is_complete }.render("")
    };
    let growing = alone(&written(8, false), false, &mut out);
    let done = alone(&written(9, true), false, &mut out);
    succession::check(&growing, &done, &mut out);
    assert_eq!(out.0, []);
}

#[test]
fn our_multivariant_playlist_keeps_the_rules() {
    let variant = |name: &str, resolution| Variant {
        uri: format!("{name}/index.m3u8"),
        name: name.to_owned(),
        codecs: "avc1.64001f".to_owned(),
        bandwidth: 3_000_000,
        average_bandwidth: 2_500_000,
        resolution,
        frame_rate: Some(30.0),
        iframes: Some(IFrames { uri: format!("{name}/iframes.m3u8"), bandwidth: 400_000 }),
    };
    let playlist = Multivariant {
        variants: vec![variant("source", (1_280, 720)), variant("480p", (854, 480))],
        audio: Some(AudioRendition {
            language: "und".to_owned(),
            uri: "audio/index.m3u8".to_owned(),
            name: "Audio".to_owned(),
            codecs: "mp4a.40.2".to_owned(),
            channels: 2,
            bandwidth: 130_000,
            average_bandwidth: 128_000,
        }),
        independent_segments: true,
    };
    let mut out = Findings::default();
    let read = alone(&playlist.render("vs=7&_HLS_skip=YES"), false, &mut out);
    assert_eq!(out.0, []);
    assert_eq!(multivariant::children(&read).len(), 5);
    multivariant::check_query(&alone(&playlist.render(multivariant::PROBE_QUERY), false, &mut out), &mut out);
    assert_eq!(out.0, []);
}
