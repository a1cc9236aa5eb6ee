//! Who is asking: the client of a request, by `kit::net`'s rules of whose word about it is believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{Extensions, HeaderMap};
pub(crate) use kit::net::{TrustedProxies, limit_key};

use crate::state::App;

/// Loopback, private and link-local addresses: the operator's own network.
pub(crate) fn is_private(addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub addr: IpAddr,
    /// A trusted proxy says it was https.
    pub is_https: bool,
}

impl Client {
    /// Without a known peer (only in tests that call the router directly) everybody is one stranger.
    pub(crate) fn of(proxies: &TrustedProxies, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let peer = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        Self { addr: proxies.client(peer, headers), is_https: proxies.is_https(peer, headers) }
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&app.proxies, &parts.extensions, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_own_network_is_told_from_the_world() {
        for own in ["127.0.0.1", "10.1.2.3", "::1", "fe80::1", "::ffff:192.168.1.1"] {
            assert!(is_private(own.parse().unwrap()), "{own}");
        }
        for world in ["203.0.113.5", "2001:db8::1"] {
            assert!(!is_private(world.parse().unwrap()), "{world}");
        }
    }
}
