//! The gateway as its clients meet it: over real sockets, against real Postgres, Redis and MongoDB's wire protocol.

mod access;
mod auth;
mod clients;
mod desk;
mod events;
mod history;
mod hostile;
mod nodes;
mod order;
mod outage;
mod protocol;
mod review;
mod room_history;
mod rooms;
mod site;
mod speech;
mod viewers;
