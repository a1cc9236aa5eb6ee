//! The gateway as its clients meet it: over real sockets, against real Postgres, Redis and MongoDB's wire protocol.

mod access;
mod attachments;
mod auth;
mod calls;
mod clients;
mod desk;
mod events;
mod feeds;
mod history;
mod hostile;
mod nodes;
mod order;
mod outage;
mod presence;
mod protocol;
mod review;
mod room_history;
mod rooms;
mod sampler;
mod site;
mod speech;
mod viewers;
