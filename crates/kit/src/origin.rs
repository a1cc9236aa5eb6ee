//! Live media that is in this process, asked for without HTTP in between.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::response::Response;
use futures::future::BoxFuture;

/// A viewer's GET.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Below `/live/`, decoded.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// By this the origin bounds how many answers one address may have it hold.
    pub viewer: Option<IpAddr>,
}

/// The streams of this process. What an answer says of other sites' pages and of caches for one viewer is for the server to add.
pub trait LocalOrigin: Send + Sync {
    fn answer<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Response>;
}
