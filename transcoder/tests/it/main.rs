//! The transcoder against the real things: GStreamer, sockets, files, Postgres.

mod import;
mod live;
mod record;
mod worker;
