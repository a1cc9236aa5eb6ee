//! The api room against a real Postgres, Redis and S3 server, called as browsers and scripts call it.

mod access;
mod accounts;
mod analytics;
mod channels;
mod desk;
mod edge;
mod emotes;
mod far;
mod faults;
mod feeds;
mod friends;
mod harness;
mod health;
mod lists;
mod mail;
mod media;
mod moderation;
mod presence;
mod push;
mod rooms;
mod sessions;
mod site;
mod takeover;
mod vod_playback;
mod vods;
mod webhooks;
