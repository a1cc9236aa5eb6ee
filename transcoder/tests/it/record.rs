//! The recorder against a real Postgres and an S3 server that can be told to misbehave.

mod crash;
mod ends;
mod outages;
mod rig;
mod running;
