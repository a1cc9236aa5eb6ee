//! Ingest over real sockets, with a real Postgres and a transcoder that only counts.

mod encoders;
mod guessing;
mod health;
mod hostile;
mod lifecycle;
mod outage;
mod publish;
mod rtmps;
mod support;
mod takeover;
