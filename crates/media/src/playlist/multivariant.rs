//! The multivariant playlist: which renditions there are.

use std::fmt::Write;

use super::child_query;

/// The audio every variant plays with. It is listed as a variant without picture, too.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioRendition {
    pub uri: String,
    pub name: String,
    /// BCP 47; `und` when nobody has said (HLS authoring specification: every audio rendition has a language).
    pub language: String,
    pub codecs: String,
    pub channels: u8,
    /// Peak and average bits per second of the audio alone.
    pub bandwidth: u64,
    pub average_bandwidth: u64,
}

/// The I-frame playlist of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IFrames {
    pub uri: String,
    pub bandwidth: u64,
}

/// One video rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub uri: String,
    /// Shown in quality menus (`NAME`).
    pub name: String,
    pub codecs: String,
    /// Peak and average bits per second of the video alone; the audio's are added when written.
    pub bandwidth: u64,
    pub average_bandwidth: u64,
    pub resolution: (u32, u32),
    /// Frames per second, when known.
    pub frame_rate: Option<f64>,
    pub iframes: Option<IFrames>,
}

/// The renditions of a stream. Without variants it is an audio-only stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Multivariant {
    pub variants: Vec<Variant>,
    pub audio: Option<AudioRendition>,
    /// Whether every segment begins with a key frame.
    pub independent_segments: bool,
}

impl Multivariant {
    /// The playlist. `query` is the request's: what of it is not a delivery directive goes on to the children.
    pub fn render(&self, query: &str) -> String {
        let query = child_query(query);
        let mut out = String::with_capacity(1_024);
        out.push_str("#EXTM3U\n#EXT-X-VERSION:9\n");
        if self.independent_segments {
            out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        if self.variants.is_empty() {
            if let Some(audio) = &self.audio {
                put_audio_alone(&mut out, audio, "", &query);
            }
            return out;
        }
        if let Some(audio) = &self.audio {
            let _ = writeln!(
                out,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{}\",LANGUAGE=\"{}\",DEFAULT=YES,\
                 AUTOSELECT=YES,CHANNELS=\"{}\",URI=\"{}{query}\"",
                audio.name, audio.language, audio.channels, audio.uri
            );
        }
        for variant in &self.variants {
            self.put_variant(&mut out, variant, &query);
        }
        // For who has no bandwidth for a picture, or only listens.
        if let Some(audio) = &self.audio {
            put_audio_alone(&mut out, audio, ",AUDIO=\"audio\"", &query);
        }
        for (variant, iframes) in self.variants.iter().filter_map(|variant| Some((variant, variant.iframes.as_ref()?)))
        {
            let (width, height) = variant.resolution;
            let _ = writeln!(
                out,
                "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},CODECS=\"{}\",RESOLUTION={width}x{height},URI=\"{}{query}\"",
                iframes.bandwidth, variant.codecs, iframes.uri
            );
        }
        out
    }

    fn put_variant(&self, out: &mut String, variant: &Variant, query: &str) {
        let audio = self.audio.as_ref();
        let bandwidth = variant.bandwidth + audio.map_or(0, |audio| audio.bandwidth);
        let average = variant.average_bandwidth + audio.map_or(0, |audio| audio.average_bandwidth);
        let (width, height) = variant.resolution;
        let _ = write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={average},CODECS=\"{}",
            variant.codecs
        );
        if let Some(audio) = audio {
            let _ = write!(out, ",{}", audio.codecs);
        }
        let _ = write!(out, "\",RESOLUTION={width}x{height}");
        if let Some(rate) = variant.frame_rate {
            let _ = write!(out, ",FRAME-RATE={rate:.3}");
        }
        if audio.is_some() {
            out.push_str(",AUDIO=\"audio\"");
        }
        let _ = writeln!(out, ",NAME=\"{}\"\n{}{query}", variant.name, variant.uri);
    }
}

/// The audio as a variant without picture.
fn put_audio_alone(out: &mut String, audio: &AudioRendition, group: &str, query: &str) {
    let AudioRendition { bandwidth, average_bandwidth, codecs, uri, .. } = audio;
    let _ = writeln!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={average_bandwidth},CODECS=\"{codecs}\"{group}\n{uri}{query}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playlist::parse_multivariant;

    fn audio() -> AudioRendition {
        AudioRendition {
            uri: "audio/index.m3u8".into(),
            name: "Audio".into(),
            language: "und".into(),
            codecs: "mp4a.40.2".into(),
            channels: 2,
            bandwidth: 130_000,
            average_bandwidth: 128_000,
        }
    }

    #[test]
    fn a_variant_declares_video_and_audio_together() {
        let playlist = Multivariant {
            variants: vec![Variant {
                uri: "source/index.m3u8".into(),
                name: "source".into(),
                codecs: "avc1.64001f".into(),
                bandwidth: 3_000_000,
                average_bandwidth: 2_500_000,
                resolution: (1_280, 720),
                frame_rate: Some(30_000.0 / 1_001.0),
                iframes: Some(IFrames { uri: "source/iframes.m3u8".into(), bandwidth: 400_000 }),
            }],
            audio: Some(audio()),
            independent_segments: true,
        };
        let text = playlist.render("vs=7&_HLS_skip=YES");
        let parsed = parse_multivariant(&text).expect("parses");
        assert!(parsed.independent_segments);
        let variant = &parsed.variants[0];
        assert_eq!((variant.bandwidth, variant.average_bandwidth), (3_130_000, Some(2_628_000)));
        assert_eq!(variant.codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
        assert_eq!((variant.resolution, variant.frame_rate), (Some((1_280, 720)), Some(29.97)));
        assert_eq!(variant.uri, "source/index.m3u8?vs=7");
        assert_eq!(parsed.renditions[0].uri.as_deref(), Some("audio/index.m3u8?vs=7"));
        assert_eq!(variant.audio.as_deref(), Some(parsed.renditions[0].group_id.as_str()));
        assert_eq!(parsed.iframes[0].uri, "source/iframes.m3u8?vs=7");
        let alone = &parsed.variants[1];
        assert_eq!((alone.uri.as_str(), alone.codecs.as_deref()), ("audio/index.m3u8?vs=7", Some("mp4a.40.2")));
        assert_eq!((alone.bandwidth, alone.resolution), (130_000, None));
        assert_eq!(alone.audio.as_deref(), Some("audio"));
    }

    #[test]
    fn audio_alone_is_a_variant_of_its_own() {
        let playlist = Multivariant { audio: Some(audio()), independent_segments: true, ..Multivariant::default() };
        let parsed = parse_multivariant(&playlist.render("")).expect("parses");
        assert_eq!(parsed.variants.len(), 1);
        assert_eq!(parsed.variants[0].uri, "audio/index.m3u8");
        assert!(parsed.renditions.is_empty());
    }
}
