//! The recorder against a real Postgres and an S3 server that can be told to misbehave.

mod child;
mod crash;
mod disk;
mod ends;
mod outages;
mod rig;
mod running;
mod sweep;
