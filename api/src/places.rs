//! Where addresses are, coarsely: a city and a country, from a database the operator gives.

use std::net::IpAddr;
use std::path::Path;

use anyhow::Context;
use kit::config::GeoipConfig;
use maxminddb::{Reader, geoip2};
use serde::Serialize;
use utoipa::ToSchema;

/// Longest name of a city that is told. It comes out of a file that is not ours.
const CITY_CHARS_MAX: usize = 80;

/// The database, in memory; or none.
pub struct Places(Option<Reader<Vec<u8>>>);

/// Where an address is, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Place {
    /// Its English name.
    pub city: Option<String>,
    /// ISO 3166-1 alpha-2, such as `VN`.
    pub country: Option<String>,
}

impl Places {
    /// Reads the database. Fails when there is none where one should be, or it is of another kind.
    pub fn open(config: &GeoipConfig) -> anyhow::Result<Self> {
        config.path().map(read).transpose().map(Self)
    }

    /// What the database is, for whoever looks after the site.
    pub fn describe(&self) -> String {
        match &self.0 {
            Some(reader) => format!("{} of {}", reader.metadata().database_type, day(reader)),
            None => "none; addresses have no places".to_owned(),
        }
    }

    /// Of private addresses, and of those the database does not know, nothing is known.
    pub(crate) fn of(&self, addr: IpAddr) -> Option<Place> {
        let found = self.0.as_ref()?.lookup(addr.to_canonical()).ok()?;
        let found: geoip2::City<'_> = found.decode().ok()??;
        let city = found.city.names.english.map(|name| name.chars().take(CITY_CHARS_MAX).collect());
        let country = found.country.iso_code.or(found.registered_country.iso_code);
        let country = country.filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
        let place = Place { city, country: country.map(str::to_owned) };
        (place.city.is_some() || place.country.is_some()).then_some(place)
    }
}

impl Place {
    /// `Hanoi, VN`.
    pub(crate) fn line(&self) -> String {
        [self.city.as_deref(), self.country.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn read(path: &Path) -> anyhow::Result<Reader<Vec<u8>>> {
    let reader = Reader::open_readfile(path)
        .with_context(|| format!("geoip.database: {} is no database of places", path.display()))?;
    let kind = &reader.metadata().database_type;
    anyhow::ensure!(
        kind.contains("City") || kind.contains("Country"),
        "geoip.database: {} is a database of another kind: {kind}",
        path.display()
    );
    Ok(reader)
}

fn day(reader: &Reader<Vec<u8>>) -> String {
    let built = i64::try_from(reader.metadata().build_epoch).unwrap_or_default();
    chrono::DateTime::from_timestamp(built, 0).map_or_else(|| "?".to_owned(), |at| at.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in MaxMind's format that knows `81.2.69.0/24`: a search tree of 24 nodes and a data section, written by hand after
    /// the format's description (MaxMind DB File Format Specification 2.0).
    fn database(kind: &str) -> Vec<u8> {
        const NODES: u32 = 24;
        let network: u32 = 0x5102_4500;
        let mut bytes = Vec::new();
        for depth in 0..NODES {
            let is_one = network >> (31 - depth) & 1 == 1;
            // Past the last node: 16 empty bytes, then the data; a record's value counts from the first node.
            let on = if depth + 1 == NODES { NODES + 16 } else { depth + 1 };
            let (left, right) = if is_one { (NODES, on) } else { (on, NODES) };
            for record in [left, right] {
                bytes.extend_from_slice(&record.to_be_bytes()[1..]);
            }
        }
        bytes.extend_from_slice(&[0; 16]);
        let english = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
        let country = map(&[("iso_code", text("GB"))]);
        bytes.extend(map(&[("city", english("London")), ("country", country)]));
        bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("binary_format_major_version", uint(5, 2)),
            ("binary_format_minor_version", uint(5, 0)),
            ("build_epoch", uint(9, 1_764_000_000)),
            ("database_type", text(kind)),
            ("description", map(&[])),
            ("ip_version", uint(5, 4)),
            ("languages", vec![0x00, 0x04]),
            ("node_count", uint(6, NODES)),
            ("record_size", uint(5, 24)),
        ]));
        bytes
    }

    fn text(text: &str) -> Vec<u8> {
        assert!(text.len() < 29);
        [&[2 << 5 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![7 << 5 | u8::try_from(pairs.len()).unwrap()];
        for (key, value) in pairs {
            bytes.extend(text(key));
            bytes.extend(value);
        }
        bytes
    }

    /// Types 5 and 6 are told in the first byte, 9 in a second.
    fn uint(kind: u8, value: u32) -> Vec<u8> {
        let value: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        let len = u8::try_from(value.len()).unwrap();
        let head = if kind > 7 { vec![len, kind - 7] } else { vec![kind << 5 | len] };
        [head, value].concat()
    }

    fn open(bytes: &[u8]) -> anyhow::Result<Places> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Places::open(&GeoipConfig { database: file.path().to_owned() })
    }

    #[test]
    fn an_address_has_the_place_the_database_knows() {
        let places = open(&database("Test-City")).unwrap();
        assert_eq!(places.describe(), "Test-City of 2025-11-24");
        let london = Place { city: Some("London".to_owned()), country: Some("GB".to_owned()) };
        assert_eq!(london.line(), "London, GB");
        for addr in ["81.2.69.142", "::ffff:81.2.69.142"] {
            assert_eq!(places.of(addr.parse().unwrap()), Some(london.clone()), "{addr}");
        }
        for addr in ["81.2.70.1", "10.0.0.1", "::1", "2001:db8::1"] {
            assert_eq!(places.of(addr.parse().unwrap()), None, "{addr}");
        }
    }

    #[test]
    fn what_is_no_database_of_places_is_refused_by_name() {
        let told = |result: anyhow::Result<Places>| format!("{:#}", result.err().expect("it is refused"));
        assert!(told(open(b"not a database")).starts_with("geoip.database:"));
        assert!(told(open(&database("Test-ASN"))).contains("another kind: Test-ASN"));
        let missing = GeoipConfig { database: "/nowhere/city.mmdb".into() };
        assert!(told(Places::open(&missing)).contains("/nowhere/city.mmdb"));
        assert!(Places::open(&GeoipConfig::default()).unwrap().of("81.2.69.142".parse().unwrap()).is_none());
    }
}
