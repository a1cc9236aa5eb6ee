//! Manifests of made-up tracks.

use super::*;

fn span(msn: u64) -> Span {
    Span {
        msn,
        starts_at_us: Some(500_000 + msn as i64 * 2_000_000),
        duration_us: 2_000_000,
        init: 0,
        is_discontinuity: false,
        date_ms: 1_700_000_000_000 + msn as i64 * 2_000,
    }
}

fn video(name: &str, segments: Vec<Span>) -> Track {
    Track {
        name: name.to_owned(),
        media: Media::Video { width: 1_280, height: 720, frame_rate: Some(30_000.0 / 1_001.0) },
        codecs: "avc1.64001f".to_owned(),
        bandwidth: 2_000_000,
        segments,
    }
}

fn audio(segments: Vec<Span>) -> Track {
    Track {
        name: "audio".to_owned(),
        media: Media::Audio { channels: 2, sample_rate: Some(48_000), language: "en".to_owned() },
        codecs: "mp4a.40.2".to_owned(),
        bandwidth: 128_000,
        segments,
    }
}

fn recorded(tracks: Vec<Track>) -> Mpd {
    Mpd { presentation: Presentation::Recorded, target_duration_s: 2, base: String::new(), tracks }
}

fn live(listed_from: u64, is_over: bool, tracks: Vec<Track>) -> Mpd {
    let presentation = Presentation::Live {
        available_from_ms: 1_699_999_990_000,
        listed_from,
        is_over,
        clock_url: "/api/v1/time".to_owned(),
    };
    Mpd { presentation, target_duration_s: 2, base: "0190/".to_owned(), tracks }
}

#[test]
fn a_recording_is_static_and_its_segments_repeat() {
    let mpd = recorded(vec![video("source", (0..5).map(span).collect()), audio((0..5).map(span).collect())]);
    let text = mpd.render("t=1&v=a'b$&_HLS_msn=4").expect("all is there");
    assert!(text.contains("type=\"static\" mediaPresentationDuration=\"PT10S\""), "{text}");
    assert!(text.contains("<S t=\"500000\" d=\"2000000\" r=\"4\"/>"), "{text}");
    assert!(text.contains("media=\"source/seg$Number$.m4s?t=1&amp;v=a&#39;b$$\" startNumber=\"0\""), "{text}");
    assert!(text.contains("frameRate=\"30000/1001\"") && text.contains("lang=\"en\""), "{text}");
    assert_eq!(text.matches("<Period ").count(), 1);
    assert!(!text.contains("UTCTiming") && !text.contains("_HLS_"));
}

#[test]
fn a_presentation_ends_with_the_longest_of_its_renditions() {
    let longer = |by| {
        let mut spans: Vec<Span> = (0..5).map(span).collect();
        spans[4].duration_us += by;
        spans
    };
    for (pictures, sound) in [(0, 500_000), (500_000, 0)] {
        let tracks = || vec![video("source", longer(pictures)), audio(longer(sound))];
        let text = recorded(tracks()).render("").expect("all is there");
        assert!(text.contains("mediaPresentationDuration=\"PT10.500000S\""), "{text}");
        assert!(text.contains("<Period id=\"p0\" start=\"PT0S\" duration=\"PT10.500000S\">"), "{text}");
        let over = live(0, true, tracks()).render("").expect("there");
        assert!(over.contains("mediaPresentationDuration=\"PT20.500000S\""), "{over}");
    }
}

#[test]
fn a_live_period_keeps_its_name_and_start_while_its_segments_leave() {
    let tracks =
        |count: u64| vec![video("source", (0..count).map(span).collect()), audio((0..count).map(span).collect())];
    let early = live(0, false, tracks(4)).render("").expect("there");
    let late = live(3, false, tracks(8)).render("").expect("there");
    for text in [&early, &late] {
        assert!(text.contains("<Period id=\"p0\" start=\"PT10S\">"), "{text}");
        assert!(text.contains("presentationTimeOffset=\"500000\""), "{text}");
        assert!(text.contains("availabilityStartTime=\"2023-11-14T22:13:10.000Z\""), "{text}");
        assert!(text.contains("minimumUpdatePeriod=\"PT2S\"") && text.contains("value=\"/api/v1/time\""), "{text}");
    }
    assert!(late.contains("startNumber=\"3\"") && late.contains("<S t=\"6500000\" d=\"2000000\" r=\"4\"/>"), "{late}");
    assert!(late.contains("publishTime=\"2023-11-14T22:13:36.000Z\""), "{late}");
    let over = live(3, true, tracks(8)).render("").expect("there");
    assert!(over.contains("mediaPresentationDuration=\"PT26S\"") && !over.contains("minimumUpdatePeriod"), "{over}");
}

#[test]
fn each_codec_has_a_set_of_its_own() {
    let all = || (0..3).map(span).collect::<Vec<_>>();
    let source = Track { codecs: "hvc1.1.6.L93.90".to_owned(), ..video("source", all()) };
    let text =
        recorded(vec![source, video("720p", all()), video("480p", all()), audio(all())]).render("").expect("there");
    let sets: Vec<_> = text.split("<AdaptationSet ").skip(1).collect();
    let kinds: Vec<_> = sets.iter().map(|set| set.split(" mimeType").next().unwrap_or_default()).collect();
    assert_eq!(
        kinds,
        ["id=\"1\" contentType=\"video\"", "id=\"2\" contentType=\"audio\"", "id=\"3\" contentType=\"video\""]
    );
    assert!(sets[0].contains("codecs=\"hvc1.") && !sets[0].contains("avc1."), "{text}");
    assert_eq!(sets[2].matches("codecs=\"avc1.64001f\"").count(), 2, "{text}");
}

#[test]
fn what_one_rendition_has_not_come_to_is_not_listed_yet() {
    let mpd = live(0, false, vec![video("source", (0..6).map(span).collect()), audio((0..5).map(span).collect())]);
    let text = mpd.render("").expect("there");
    assert_eq!(text.matches("d=\"2000000\" r=\"4\"").count(), 2, "{text}");
    // One that stopped long ago holds nobody back.
    let stopped = vec![video("source", (0..20).map(span).collect()), audio((0..5).map(span).collect())];
    let text = live(0, false, stopped).render("").expect("there");
    assert!(text.contains("<Period id=\"p5\"") && text.contains("r=\"14\""), "{text}");
}

#[test]
fn a_change_of_what_there_is_begins_a_period() {
    let mut low: Vec<Span> = (2..9).map(span).collect();
    low[2].starts_at_us = None;
    let mut source: Vec<Span> = (0..9).map(span).collect();
    for after in &mut source[7..] {
        // The publisher came back a minute later with another format.
        after.date_ms += 60_000;
        after.init = 1;
        after.starts_at_us = after.starts_at_us.map(|at| at + 40_000);
    }
    source[7].is_discontinuity = true;
    let tracks = vec![video("source", source), video("480p", low)];
    let text = live(0, false, tracks.clone()).render("").expect("there");
    let starts: Vec<&str> = text.lines().filter(|line| line.contains("<Period ")).map(str::trim).collect();
    assert_eq!(
        starts,
        [
            "<Period id=\"p0\" start=\"PT10S\" duration=\"PT4S\">",
            "<Period id=\"p2\" start=\"PT14S\" duration=\"PT4S\">",
            "<Period id=\"p4\" start=\"PT18S\" duration=\"PT2S\">",
            "<Period id=\"p5\" start=\"PT20S\" duration=\"PT4S\">",
            "<Period id=\"p7\" start=\"PT84S\">",
        ]
    );
    assert!(text.contains("0190/source/init1.mp4"));
    let text = recorded(tracks).render("").expect("there");
    assert!(text.contains("<Period id=\"p7\" start=\"PT14S\" duration=\"PT4S\">"), "pauses are left out: {text}");
    assert!(text.contains("mediaPresentationDuration=\"PT18S\""), "{text}");
}

#[test]
fn a_time_is_told_where_segments_do_not_follow_each_other() {
    let mut out = String::new();
    put_timeline(&mut out, &[(0, 2_000_000), (2_000_400, 2_000_000), (4_010_000, 2_000_000), (6_010_000, 1_900_000)]);
    assert_eq!(
        out.split_whitespace().collect::<Vec<_>>().join(" "),
        "<S t=\"0\" d=\"2000000\" r=\"1\"/> <S t=\"4010000\" d=\"2000000\"/> <S d=\"1900000\"/>"
    );
}

#[test]
fn nothing_known_is_no_manifest() {
    assert_eq!(recorded(vec![]).render(""), None);
    let untimed = (0..3).map(|msn| Span { starts_at_us: None, ..span(msn) }).collect();
    assert_eq!(recorded(vec![video("source", untimed)]).render(""), None);
}

#[test]
fn text_from_outside_stays_text() {
    assert_eq!(escape("a\"<b>&'\u{0}\n"), "a&quot;&lt;b&gt;&amp;&#39;");
    assert_eq!(ratio(29.97).as_deref(), Some("30000/1001"));
    assert_eq!((ratio(60.0).as_deref(), ratio(12.5).as_deref()), (Some("60"), Some("12500/1000")));
    assert_eq!((ratio(0.0), ratio(f64::NAN)), (None, None));
}
