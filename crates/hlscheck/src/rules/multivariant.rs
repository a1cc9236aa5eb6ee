//! Rules of the multivariant playlist.

use super::{
    AVERAGE_BANDWIDTH, BANDWIDTH, CODECS, FRAME_RATE, Findings, GROUP, IFRAMES, INDEPENDENT, MEDIA_ATTRIBUTES, QUERY,
    RESOLUTION, TWO_VARIANTS, VARIANT_URI,
};
use crate::playlist::{Attributes, Line, Playlist};

/// Beginnings of video codecs' names.
const VIDEO: &[&str] = &["avc", "hvc", "hev", "dvh", "dva", "av01", "dav1", "vp09", "vp9", "mp4v"];
/// Attributes of a variant that name a group, and the group's type.
const GROUPS: &[(&str, &str)] =
    &[("AUDIO", "AUDIO"), ("VIDEO", "VIDEO"), ("SUBTITLES", "SUBTITLES"), ("CLOSED-CAPTIONS", "CLOSED-CAPTIONS")];

/// A rendition that a multivariant playlist names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Child {
    pub line: usize,
    pub uri: String,
    pub is_iframes: bool,
    /// Not a variant by itself but an `EXT-X-MEDIA`.
    pub is_alternative: bool,
    pub bandwidth: Option<u64>,
    pub average_bandwidth: Option<u64>,
    /// The audio group a variant plays with, or the group an alternative belongs to.
    pub group: Option<String>,
}

/// Every playlist named, in order, each once.
pub fn children(playlist: &Playlist) -> Vec<Child> {
    let mut children: Vec<Child> = Vec::new();
    for line in &playlist.lines {
        let attributes = line.attributes();
        let child = match line.tag() {
            Some("#EXT-X-STREAM-INF") => child(line, uri_after(playlist, line), &attributes),
            Some("#EXT-X-MEDIA") => child(line, attributes.text("URI"), &attributes).map(|child| Child {
                is_alternative: true,
                group: attributes.text("GROUP-ID"),
                ..child
            }),
            Some("#EXT-X-I-FRAME-STREAM-INF") => {
                child(line, attributes.text("URI"), &attributes).map(|child| Child { is_iframes: true, ..child })
            }
            _ => None,
        };
        if let Some(child) = child.filter(|child| children.iter().all(|known| known.uri != child.uri)) {
            children.push(child);
        }
    }
    children
}

fn child(line: &Line, uri: Option<String>, attributes: &Attributes) -> Option<Child> {
    Some(Child {
        line: line.number,
        uri: uri?,
        bandwidth: attributes.integer("BANDWIDTH"),
        average_bandwidth: attributes.integer("AVERAGE-BANDWIDTH"),
        group: attributes.text("AUDIO"),
        ..Child::default()
    })
}

/// The address behind a line, unless a tag comes first.
fn uri_after(playlist: &Playlist, line: &Line) -> Option<String> {
    let mut behind = playlist.lines.iter().skip(line.number);
    let next = behind.find(|line| line.is_uri() || line.tag().is_some())?;
    next.is_uri().then(|| next.text.trim().to_owned())
}

pub fn check(playlist: &Playlist, out: &mut Findings) {
    let url = &playlist.url;
    let (mut videos, mut variants) = (0, 0);
    for line in playlist.with_tag("#EXT-X-STREAM-INF") {
        variants += 1;
        videos += usize::from(variant(playlist, line, out));
    }
    for line in playlist.with_tag("#EXT-X-MEDIA") {
        let attributes = line.attributes();
        for name in ["TYPE", "GROUP-ID", "NAME"] {
            if attributes.get(name).is_none() {
                out.add(&MEDIA_ATTRIBUTES, url, line.number, format!("no {name}"));
            }
        }
    }
    if !playlist.is_independent {
        out.add(&INDEPENDENT, url, None, "it is not there");
    }
    if videos > 0 && playlist.with_tag("#EXT-X-I-FRAME-STREAM-INF").next().is_none() {
        out.add(&IFRAMES, url, None, "no EXT-X-I-FRAME-STREAM-INF");
    }
    if variants < 2 && videos > 0 {
        out.add(&TWO_VARIANTS, url, None, "only one");
    }
}

/// The query argument a probe sends along.
pub const PROBE_QUERY: &str = "checker=1";

/// `playlist` was asked for with [`PROBE_QUERY`]: a token in a query must reach the renditions.
pub fn check_query(playlist: &Playlist, out: &mut Findings) {
    let passes_on = |child: &Child| {
        child.uri.split_once('?').is_some_and(|(_, query)| query.split('&').any(|pair| pair == PROBE_QUERY))
    };
    if let Some(child) = children(playlist).into_iter().find(|child| !passes_on(child)) {
        out.add(&QUERY, &playlist.url, child.line, child.uri);
    }
}

/// Checks one variant and says whether it has video.
fn variant(playlist: &Playlist, line: &Line, out: &mut Findings) -> bool {
    let (url, attributes) = (&playlist.url, line.attributes());
    let name = uri_after(playlist, line);
    if name.is_none() {
        out.add(&VARIANT_URI, url, line.number, "no address follows");
    }
    let name = name.unwrap_or_default();
    if attributes.integer("BANDWIDTH").is_none() {
        out.add(&BANDWIDTH, url, line.number, name.clone());
    }
    if attributes.integer("AVERAGE-BANDWIDTH").is_none() {
        out.add(&AVERAGE_BANDWIDTH, url, line.number, name.clone());
    }
    let codecs = attributes.get("CODECS");
    if codecs.is_none() {
        out.add(&CODECS, url, line.number, name.clone());
    }
    let is_video_codec = |codec: &str| VIDEO.iter().any(|start| codec.trim().starts_with(start));
    let has_video =
        attributes.get("RESOLUTION").is_some() || codecs.is_some_and(|all| all.split(',').any(is_video_codec));
    if has_video && attributes.get("RESOLUTION").is_none() {
        out.add(&RESOLUTION, url, line.number, name.clone());
    }
    if has_video && attributes.number("FRAME-RATE").is_none() {
        out.add(&FRAME_RATE, url, line.number, name);
    }
    for (attribute, kind) in GROUPS {
        let Some(group) = attributes.get(attribute).filter(|group| *group != "NONE") else { continue };
        let exists = playlist.with_tag("#EXT-X-MEDIA").any(|line| {
            let media = line.attributes();
            media.get("TYPE") == Some(kind) && media.get("GROUP-ID") == Some(group)
        });
        if !exists {
            out.add(&GROUP, url, line.number, format!("{attribute}={group:?}"));
        }
    }
    has_video
}
