//! What a player asks of a playlist in its query: blocking, delta, and arguments of the site's own.
//!
//! Owns the reading of `_HLS_*` and which arguments are handed down to child URLs. Knows no stream.

/// Longer queries are refused: each is repeated on every line of a playlist.
const QUERY_BYTES_MAX: usize = 1_024;
/// Arguments by which viewers are counted, and the link to an unlisted stream (`kit::playback::LINK_ARGUMENT`). They matter on
/// playlists only, so media playlists do not hand them to segments and all viewers can share one rendering.
pub const VIEWER_ARGUMENTS: [&str; 3] = ["vs", "session", "stream"];

/// A moment in a rendition that a player waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    pub msn: u64,
    /// `None`: the whole segment.
    pub part: Option<u64>,
}

/// A parsed query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Directives {
    pub target: Option<Target>,
    /// Whether a delta update was asked for.
    pub skip: bool,
    /// `dvr=1`: the stream from its beginning. Concerns playlists only.
    pub is_from_start: bool,
    /// What child playlists are called with, without `?`; empty when there is nothing to hand down.
    pub for_playlists: String,
    /// The same for parts, segments and init segments.
    pub for_media: String,
}

/// Why a query is answered with 400.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    #[error("_HLS_msn and _HLS_part must be whole numbers, given once")]
    Number,
    #[error("_HLS_part needs _HLS_msn")]
    PartAlone,
    #[error("the query is too long")]
    TooLong,
}

impl Directives {
    pub fn parse(query: Option<&str>) -> Result<Self, BadQuery> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(Self::default()) };
        if query.len() > QUERY_BYTES_MAX {
            return Err(BadQuery::TooLong);
        }
        let (mut msn, mut part, mut directives) = (None, None, Self::default());
        for argument in query.split('&').filter(|argument| !argument.is_empty()) {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            match name {
                "_HLS_msn" => number_once(&mut msn, value)?,
                "_HLS_part" => number_once(&mut part, value)?,
                "_HLS_skip" => directives.skip = matches!(value, "YES" | "v2"),
                _ if name.starts_with("_HLS_") => {}
                "dvr" => {
                    directives.is_from_start |= value == "1";
                    append(&mut directives.for_playlists, argument);
                }
                _ => {
                    append(&mut directives.for_playlists, argument);
                    if !VIEWER_ARGUMENTS.contains(&name) {
                        append(&mut directives.for_media, argument);
                    }
                }
            }
        }
        directives.target = match (msn, part) {
            (Some(msn), part) => Some(Target { msn, part }),
            (None, Some(_)) => return Err(BadQuery::PartAlone),
            (None, None) => None,
        };
        Ok(directives)
    }
}

fn number_once(slot: &mut Option<u64>, value: &str) -> Result<(), BadQuery> {
    let is_digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| is_digits && slot.is_none()).ok_or(BadQuery::Number)?;
    *slot = Some(number);
    Ok(())
}

fn append(query: &mut String, argument: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(argument);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_arguments_are_read_and_the_rest_is_handed_down() {
        let directives = Directives::parse(Some("a=1&_HLS_msn=7&_HLS_part=3&vs=x&_HLS_skip=YES&_HLS_new=q")).unwrap();
        assert_eq!(directives.target, Some(Target { msn: 7, part: Some(3) }));
        assert!(directives.skip);
        assert_eq!(directives.for_playlists, "a=1&vs=x");
        assert_eq!(directives.for_media, "a=1");
    }

    #[test]
    fn nonsense_numbers_are_refused() {
        for query in [
            "_HLS_msn=-1",
            "_HLS_msn=",
            "_HLS_msn",
            "_HLS_msn=1e9",
            "_HLS_msn=%2B1",
            "_HLS_msn=+1",
            "_HLS_msn=18446744073709551616",
            "_HLS_msn=1&_HLS_msn=1",
            "_HLS_msn=1&_HLS_part=x",
        ] {
            assert_eq!(Directives::parse(Some(query)), Err(BadQuery::Number), "{query}");
        }
        assert_eq!(Directives::parse(Some("_HLS_part=0")), Err(BadQuery::PartAlone));
        assert_eq!(Directives::parse(Some(&"x".repeat(2_000))), Err(BadQuery::TooLong));
    }
}
