//! The transcoder against the real things: GStreamer, sockets, files, Postgres.

mod live;
mod record;
mod worker;
