//! Requests to addresses that members give (push services): where they may go.
//!
//! A name is resolved once, every address it has must be public, and the request goes to just those addresses: what the name
//! says a moment later changes nothing. Redirects are the caller's to refuse.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::net::Network;

/// Longest a name may take to be resolved.
const RESOLVE_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why an address was not asked.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the address is not one of the public internet")]
    NotPublic,
    #[error("the name has no address")]
    Unknown,
}

/// What may be asked.
#[derive(Debug, Clone, Default)]
pub struct Outward {
    allowed: Arc<[Network]>,
}

impl Outward {
    /// Each is an address or `address/prefix` that may be asked although it is not public.
    pub fn parse(networks: &[String]) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            Network::parse(text).ok_or_else(|| anyhow::anyhow!("outward.allow: {text:?} is not an address or network"))
        };
        Ok(Self { allowed: networks.iter().map(parse).collect::<anyhow::Result<_>>()? })
    }

    pub fn may_reach(&self, addr: IpAddr) -> bool {
        is_public(addr) || self.allowed.iter().any(|network| network.contains(addr))
    }

    /// Whether plain http will do: only within the operator's own networks.
    pub fn may_be_plain(&self, addrs: &[SocketAddr]) -> bool {
        addrs.iter().all(|addr| self.allowed.iter().any(|network| network.contains(addr.ip())))
    }

    /// The addresses of a host, a name or an address itself. One that may not be asked refuses all.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refused> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let addrs: Vec<SocketAddr> = match literal {
            Ok(addr) => vec![SocketAddr::new(addr, port)],
            Err(_) => match timeout(RESOLVE_WAIT_MAX, lookup_host((host, port))).await {
                Ok(Ok(addrs)) => addrs.collect(),
                _ => return Err(Refused::Unknown),
            },
        };
        if addrs.is_empty() {
            return Err(Refused::Unknown);
        }
        if addrs.iter().all(|addr| self.may_reach(addr.ip())) { Ok(addrs) } else { Err(Refused::NotPublic) }
    }
}

/// Whether an address is one of the public internet (IANA's special-purpose registries, RFC 6890).
pub fn is_public(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(addr: Ipv4Addr) -> bool {
    let [a, b, c, _] = addr.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(addr: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = addr.segments();
    let embedded = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b) {
        // Addresses that are another's in disguise: mapped, and translated by a gateway.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => embedded(g, h),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => embedded(g, h),
        (0x2002, _) => embedded(b, c),
        // Protocol assignments (Teredo among them), documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        // Only this much of the space is given out at all.
        _ => (0x2000..=0x3fff).contains(&a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reliability F9.
    #[test]
    fn what_is_not_the_public_internet_is_refused() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn names_and_literals_are_judged_by_where_they_lead() {
        let outward = Outward::default();
        for host in ["127.0.0.1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
            assert!(matches!(outward.resolve(host, 443).await, Err(Refused::NotPublic)), "{host}");
        }
        assert_eq!(outward.resolve("1.1.1.1", 443).await.unwrap(), ["1.1.1.1:443".parse().unwrap()]);
        let home = Outward::parse(&["127.0.0.0/8".to_owned()]).unwrap();
        assert!(home.resolve("127.0.0.1", 80).await.is_ok());
        assert!(home.resolve("[::ffff:127.0.0.1]", 80).await.is_ok(), "the same address");
        assert!(home.resolve("10.0.0.1", 80).await.is_err());
        assert!(Outward::parse(&["everything".to_owned()]).is_err());
    }
}
