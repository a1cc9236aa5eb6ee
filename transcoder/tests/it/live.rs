//! Live, end to end: real FLV in through the link, playlists and parts out over HTTP, judged by decoding.

mod access;
mod blocking;
mod children;
mod crowd;
mod crush;
mod fencing;
mod follow;
mod holes;
mod lower;
mod odd;
mod pictures;
mod resume;
mod rewind;
pub(crate) mod rig;
mod transport;
