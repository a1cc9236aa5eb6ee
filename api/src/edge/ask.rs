//! What a viewer's request asks of a live stream, freed of everything that is the viewer's own: two requests with the same
//! [`Ask`] have the same answer. Pure.

use std::sync::Arc;

use domain::StreamId;
use media::playlist::directives::{BadQuery, Directives, Target};
use media::playlist::uri::{self, MediaFile};
use media::playlist::{HOLE, child_query};

/// Ours have at most four parts and 120 bytes.
const PATH_BYTES_MAX: usize = 256;
/// Longer queries are refused: each would be repeated on every line of a playlist.
const QUERY_BYTES_MAX: usize = 1_024;

/// A path below `/live/`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub username: &'a str,
    /// Not every part of a path that stands there is one.
    pub stream: Option<&'a str>,
    pub file: Option<File>,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    Multivariant,
    Manifest,
    Thumbnail,
    Playlist,
    IFrames,
    Init,
    Segment,
    Part,
}

impl File {
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Multivariant | Self::Manifest | Self::Playlist | Self::IFrames)
    }

    /// For metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Multivariant => "multivariant",
            Self::Manifest => "manifest",
            Self::Thumbnail => "thumbnail",
            Self::Playlist => "playlist",
            Self::IFrames => "iframes",
            Self::Init => "init",
            Self::Segment => "segment",
            Self::Part => "part",
        }
    }
}

/// `None` for what cannot be ours.
pub(crate) fn place(path: &str) -> Option<Place<'_>> {
    let legal = path.len() <= PATH_BYTES_MAX
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'))
        && !path.contains("..");
    if !legal {
        return None;
    }
    let parts: Vec<&str> = path.split('/').collect();
    let username = parts.first().copied().filter(|name| !name.is_empty())?;
    let stream = (parts.len() > 2).then(|| parts[1]);
    let file = match parts[..] {
        [_, "index.m3u8"] => Some(File::Multivariant),
        [_, "index.mpd"] => Some(File::Manifest),
        [_, "thumbnail.jpg"] => Some(File::Thumbnail),
        [_, _, rendition, name] if !rendition.is_empty() => match (name, uri::parse(name)) {
            (uri::PLAYLIST, _) => Some(File::Playlist),
            (uri::IFRAMES, _) => Some(File::IFrames),
            (_, Some(MediaFile::Init(_))) => Some(File::Init),
            (_, Some(MediaFile::Segment(_))) => Some(File::Segment),
            (_, Some(MediaFile::Part(..))) => Some(File::Part),
            (_, None) => None,
        },
        [_] => return None,
        _ => None,
    };
    Some(Place { username, stream, file })
}

/// What is asked of the owner, once for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    /// With `/live/`.
    pub path: Arc<str>,
    pub target: Option<Target>,
    pub is_delta: bool,
    pub is_from_start: bool,
    /// The text has [`HOLE`] where each viewer's own arguments go.
    pub has_hole: bool,
    /// Which of the stream's owners: another one's playlists are others. The same for all media, whose names are never reused.
    pub turn: u64,
}

impl Ask {
    /// Media, or a picture.
    pub(crate) fn media(path: &str) -> Self {
        let path = format!("/live/{path}").into();
        Self { path, target: None, is_delta: false, is_from_start: false, has_hole: false, turn: 0 }
    }

    /// The address at the owner, behind its host.
    pub(crate) fn path_and_query(&self) -> String {
        let mut out = self.path.to_string();
        let mut put = |argument: String| {
            out.push(if out.contains('?') { '&' } else { '?' });
            out.push_str(&argument);
        };
        if let Some(Target { msn, part }) = self.target {
            put(format!("_HLS_msn={msn}"));
            part.into_iter().for_each(|part| put(format!("_HLS_part={part}")));
        }
        if self.is_delta {
            put("_HLS_skip=YES".to_owned());
        }
        if self.is_from_start {
            put("dvr=1".to_owned());
        }
        if self.has_hole {
            put(HOLE.to_owned());
        }
        out
    }
}

/// A playlist or manifest, and what goes into its holes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AskText {
    pub ask: Ask,
    /// The viewer's own arguments, as they are handed down. Empty when there is nothing to put in.
    pub stamp: String,
}

impl AskText {
    pub(crate) fn parse(path: &str, file: File, query: Option<&str>, turn: u64) -> Result<Self, BadQuery> {
        let mut ask = Ask { turn, ..Ask::media(path) };
        let query = query.unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            return Err(BadQuery::TooLong);
        }
        if file == File::Multivariant {
            // It hands everything down and heeds nothing.
            let stamp = child_query(query).trim_start_matches('?').to_owned();
            ask.has_hole = !stamp.is_empty();
            return Ok(Self { ask, stamp });
        }
        let directives = Directives::parse(Some(query))?;
        if file == File::Playlist {
            (ask.target, ask.is_delta) = (directives.target, directives.skip);
        }
        ask.is_from_start = directives.is_from_start;
        let stamp = child_query(&directives.for_media).trim_start_matches('?').to_owned();
        ask.has_hole = !stamp.is_empty();
        Ok(Self { ask, stamp })
    }
}

/// The stream a path names, if it can be one.
pub(crate) fn stream_of(place: &Place<'_>) -> Option<StreamId> {
    place.stream?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_channel_perhaps_a_stream_and_a_file() {
        let file = |path| place(path).and_then(|place| place.file);
        assert_eq!(place("alice/index.m3u8").map(|place| (place.username, place.stream)), Some(("alice", None)));
        assert_eq!(place("alice/0190/source/seg1.m4s").and_then(|place| place.stream), Some("0190"));
        assert_eq!(file("alice/index.m3u8"), Some(File::Multivariant));
        assert_eq!(file("alice/x/source/index.m3u8"), Some(File::Playlist));
        assert_eq!(file("alice/x/source/part1.0.m4s"), Some(File::Part));
        for odd in ["alice/x", "alice/x/source/part01.0.m4s", "alice/x/source", "alice/x/source/y/seg1.m4s", "alice//"]
        {
            assert_eq!(file(odd), None, "{odd}");
        }
        for bad in ["alice", "", "/x", "alice/../bob/index.m3u8", "alice/%2e%2e/x", "a\0b/c", &"a/".repeat(200)] {
            assert_eq!(place(bad), None, "{bad:?}");
        }
    }

    fn text(file: File, query: &str) -> AskText {
        AskText::parse("alice/x/source/index.m3u8", file, Some(query), 3).expect("a query")
    }

    #[test]
    fn what_is_the_viewers_own_asks_for_nothing_else() {
        let one = text(File::Playlist, "vs=abc&_HLS_part=2&_HLS_msn=7&_HLS_skip=v2&_HLS_new=1");
        let other = text(File::Playlist, "_HLS_msn=7&_HLS_part=2&_HLS_skip=YES&session=other");
        assert_eq!(one, other);
        assert_eq!(one.ask.path_and_query(), "/live/alice/x/source/index.m3u8?_HLS_msn=7&_HLS_part=2&_HLS_skip=YES");
        let (one, other) = (text(File::Playlist, "token=a"), text(File::Playlist, "token=b&dvr=0"));
        assert_eq!(one.ask, other.ask);
        assert_eq!((one.stamp.as_str(), other.stamp.as_str()), ("token=a", "token=b"));
        assert_eq!(one.ask.path_and_query(), "/live/alice/x/source/index.m3u8?~viewer~");
    }

    #[test]
    fn a_multivariant_playlist_hands_all_arguments_down_and_heeds_none() {
        let asked = text(File::Multivariant, "vs=1&dvr=1&_HLS_msn=x");
        assert_eq!(asked.stamp, "vs=1&dvr=1");
        assert_eq!((asked.ask.target, asked.ask.is_from_start), (None, false));
        assert_eq!(AskText::parse("a", File::Playlist, Some("_HLS_msn=x"), 0), Err(BadQuery::Number));
        assert_eq!(AskText::parse("a", File::Multivariant, Some(&"x".repeat(2_000)), 0), Err(BadQuery::TooLong));
    }
}
