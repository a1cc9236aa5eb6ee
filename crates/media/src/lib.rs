//! Media without I/O: what an RTMP peer sends, what a player reads, and everything between.
//!
//! Owns FLV and Enhanced-RTMP tags, codec headers, the clock of one connection, CMAF boxes, the cutting of parts and
//! segments, playlists (written and read), and the framing of the link between ingest and transcoder. Owns no socket,
//! file, clock or task: bytes and numbers go in, bytes and numbers come out. Every parser accepts any input without
//! panicking and without allocating more than a small multiple of what it was given.
//!
//! The usual path of a frame: [`flv::parse_video`] → [`codec::VideoConfig::clean`] → [`timeline::Timeline::video`] →
//! [`segmenter::Segmenter::push`] → [`segmenter::Part`] → [`playlist::MediaPlaylist::push_part`]. Payload is sliced, never
//! copied, until the one copy into the part's `mdat`.

pub mod bandwidth;
mod bits;
pub mod cmaf;
pub mod codec;
pub mod dash;
pub mod flv;
pub mod link;
pub mod playlist;
pub mod sample;
pub mod segmenter;
pub mod strip;
pub mod timeline;

pub use sample::{Sample, Ticks, VIDEO_TIMESCALE, rescale};
