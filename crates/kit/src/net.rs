//! Who is asking: the address of a client behind reverse proxies, and under which key an address is limited.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

/// Longer chains of proxies are somebody's joke.
const HOPS_MAX: usize = 16;

/// Networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    bits: u128,
    mask: u128,
}

impl TrustedProxies {
    /// Each is an address or `address/prefix`.
    pub fn parse(networks: &[String]) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            Network::parse(text)
                .ok_or_else(|| anyhow::anyhow!("http.trusted_proxies: {text:?} is not an address or network"))
        };
        Ok(Self(networks.iter().map(parse).collect::<anyhow::Result<_>>()?))
    }

    fn contains(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(addr))
    }

    /// The client's address: the peer's, unless the peer is a trusted proxy; then the last address in the chain that is
    /// not one. What stands further left was written by the client and proves nothing.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.contains(peer) {
            return peer;
        }
        let mut client = peer;
        let chain: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in chain.iter().rev().take(HOPS_MAX) {
            let Some(addr) = parse_hop(hop.trim()) else { break };
            client = addr;
            if !self.contains(addr) {
                break;
            }
        }
        client
    }

    /// Whether the client came to the proxy by https, if a trusted proxy says so.
    pub fn is_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        self.contains(peer.to_canonical())
            && headers
                .get("x-forwarded-proto")
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.rsplit(',').next())
                .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
    }
}

impl Network {
    pub(crate) fn contains(self, addr: IpAddr) -> bool {
        bits_of(addr) & self.mask == self.bits
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (addr, prefix) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().ok()?;
        let width = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return None;
        }
        // IPv4 lives in ::ffff:0:0/96.
        let host_bits = width - prefix;
        let mask = if host_bits == 128 { 0 } else { u128::MAX << host_bits };
        Some(Self { bits: bits_of(addr) & mask, mask })
    }
}

fn bits_of(addr: IpAddr) -> u128 {
    match addr.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// `203.0.113.5`, `203.0.113.5:1234`, `2001:db8::1` or `[2001:db8::1]:1234`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let addr = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|addr| addr.ip()))
        .or_else(|_| text.trim_matches(['[', ']']).parse())
        .ok()?;
    Some(addr.to_canonical())
}

/// The key under which an address is limited.
pub fn limit_key(addr: IpAddr) -> String {
    match customer(addr) {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Whoever is behind an address: an IPv6 customer has a whole /64 to change within, and is known by its first address.
pub fn customer(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::parse(&networks.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn forwarded(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static("x-forwarded-for"), value.parse().unwrap())])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_stranger_cannot_say_who_he_is() {
        let trusted = proxies(&["10.0.0.0/8", "::1"]);
        assert_eq!(trusted.client(ip("198.51.100.9"), &forwarded("1.1.1.1")), ip("198.51.100.9"));
        assert_eq!(proxies(&[]).client(ip("127.0.0.1"), &forwarded("1.1.1.1")), ip("127.0.0.1"));
    }

    #[test]
    fn the_last_address_before_our_proxies_is_the_client() {
        let trusted = proxies(&["10.0.0.0/8", "::1"]);
        let chain = forwarded("6.6.6.6, 203.0.113.5, 10.1.2.3");
        assert_eq!(trusted.client(ip("10.0.0.1"), &chain), ip("203.0.113.5"));
        assert_eq!(trusted.client(ip("::ffff:10.0.0.1"), &chain), ip("203.0.113.5"));
        assert_eq!(trusted.client(ip("::1"), &forwarded("[2001:db8::7]:443")), ip("2001:db8::7"));
        assert_eq!(trusted.client(ip("10.0.0.1"), &forwarded("6.6.6.6, nonsense")), ip("10.0.0.1"));
    }

    #[test]
    fn networks_are_matched_by_their_prefix() {
        let trusted = proxies(&["192.0.2.0/25", "2001:db8::/32"]);
        assert!(trusted.contains(ip("192.0.2.127")) && !trusted.contains(ip("192.0.2.128")));
        assert!(trusted.contains(ip("2001:db8:1::9")) && !trusted.contains(ip("2001:db9::")));
        assert!(TrustedProxies::parse(&["10.0.0.0/33".to_owned()]).is_err());
        assert!(TrustedProxies::parse(&["proxy.example".to_owned()]).is_err());
    }

    #[test]
    fn an_ipv6_customer_is_one_customer() {
        assert_eq!(limit_key(ip("2001:db8::1")), limit_key(ip("2001:db8::ffff:2")));
        assert_ne!(limit_key(ip("192.0.2.1")), limit_key(ip("192.0.2.2")));
    }
}
