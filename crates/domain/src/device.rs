//! The devices people sign in from: what they are called, and what their programs say of themselves.

use std::net::IpAddr;

use crate::error::Invalid;

/// What a member calls a device: 1 to 60 characters, no control or bidirectional override characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName(String);

impl DeviceName {
    pub const CHARS_MAX: usize = 60;

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = crate::chat::normalise_line(text);
        if text.is_empty() || text.chars().count() > Self::CHARS_MAX {
            return Err(Invalid::new("name", "must be 1 to 60 characters"));
        }
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What kind of thing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    Computer,
    Phone,
    Tablet,
    Tv,
    Console,
    /// No browser: a script, a bot, an app of one's own.
    Program,
    Unknown,
}

/// What a `User-Agent` says. It is the client's own word: good for telling one's devices apart, and for nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    pub kind: DeviceKind,
    /// Such as `Windows`.
    pub system: Option<&'static str>,
    /// Such as `Firefox`; of a program the name it gives itself.
    pub browser: Option<String>,
}

/// Marks of systems, those that pretend to be others first.
const SYSTEMS: &[(&str, &str, DeviceKind)] = &[
    ("Xbox", "Xbox", DeviceKind::Console),
    ("PlayStation", "PlayStation", DeviceKind::Console),
    ("Nintendo", "Nintendo", DeviceKind::Console),
    ("iPad", "iPadOS", DeviceKind::Tablet),
    ("iPhone", "iOS", DeviceKind::Phone),
    ("iPod", "iOS", DeviceKind::Phone),
    ("Windows Phone", "Windows Phone", DeviceKind::Phone),
    ("Tizen", "Tizen", DeviceKind::Tv),
    ("Web0S", "webOS", DeviceKind::Tv),
    ("Apple TV", "tvOS", DeviceKind::Tv),
    ("AppleTV", "tvOS", DeviceKind::Tv),
    ("CrOS", "ChromeOS", DeviceKind::Computer),
    ("Windows", "Windows", DeviceKind::Computer),
    ("Macintosh", "macOS", DeviceKind::Computer),
    ("FreeBSD", "FreeBSD", DeviceKind::Computer),
    ("OpenBSD", "OpenBSD", DeviceKind::Computer),
    ("Linux", "Linux", DeviceKind::Computer),
    ("X11", "Linux", DeviceKind::Computer),
];

/// Marks of television sets that run Android.
const ANDROID_TVS: &[&str] = &["Android TV", "GoogleTV", "BRAVIA", " AFT", "SMART-TV", "SmartTV"];

/// Marks of browsers. Nearly all call themselves Chrome and Safari too: the more particular come first.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPiOS/", "Opera"),
    ("Opera", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("coc_coc_browser/", "Cốc Cốc"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("UCBrowser/", "UC Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Brave/", "Brave"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox"),
    ("Seamonkey/", "SeaMonkey"),
    ("SeaMonkey/", "SeaMonkey"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Trident/", "Internet Explorer"),
    ("MSIE ", "Internet Explorer"),
    ("Safari/", "Safari"),
];

const PROGRAM_CHARS_MAX: usize = 40;

impl Agent {
    /// Its browser and its system, as far as it tells them.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.browser.as_deref().into_iter().chain(self.system)
    }

    pub fn parse(text: &str) -> Self {
        let (system, kind) = system(text);
        // Every browser of this century begins like that, and hardly anything else does.
        if text.starts_with("Mozilla/") || text.starts_with("Opera/") {
            let browser = BROWSERS.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| (*name).to_owned());
            return Self { kind, system, browser };
        }
        let program: String = text
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '))
            .take(PROGRAM_CHARS_MAX)
            .collect();
        let program = program.trim();
        if program.is_empty() {
            return Self { kind, system, browser: None };
        }
        Self { kind: DeviceKind::Program, system, browser: Some(program.to_owned()) }
    }
}

/// Whether two addresses are in the same network, as far as their providers hand networks out: the first 24 bits of an IPv4 address, the first
/// 48 of an IPv6 address.
pub fn is_same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one.to_canonical(), other.to_canonical()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..6] == other.octets()[..6],
        _ => false,
    }
}

fn system(text: &str) -> (Option<&'static str>, DeviceKind) {
    // Old phones of Microsoft's say that they run Android.
    if text.contains("Android") && !text.contains("Windows Phone") {
        let is_tv = ANDROID_TVS.iter().any(|mark| text.contains(mark));
        let kind = match (is_tv, text.contains("Mobile")) {
            (true, _) => DeviceKind::Tv,
            (false, true) => DeviceKind::Phone,
            (false, false) => DeviceKind::Tablet,
        };
        return (Some("Android"), kind);
    }
    let found = SYSTEMS.iter().find(|(mark, _, _)| text.contains(mark));
    found.map_or((None, DeviceKind::Unknown), |(_, name, kind)| (Some(*name), *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_a_provider_hands_out() {
        let same = |one: &str, other: &str| is_same_network(one.parse().unwrap(), other.parse().unwrap());
        assert!(same("203.0.113.7", "203.0.113.250"));
        assert!(same("203.0.113.7", "::ffff:203.0.113.250"));
        assert!(!same("203.0.113.7", "203.0.114.7"));
        assert!(same("2001:db8:1:2::3", "2001:db8:1:ffff::1"));
        assert!(!same("2001:db8:1::", "2001:db8:2::"));
        assert!(!same("203.0.113.7", "2001:db8::1"));
    }

    #[test]
    fn browsers_are_told_from_those_they_pretend_to_be() {
        use DeviceKind::{Computer, Console, Phone, Tablet, Tv};
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        let apple = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        let cases = [
            ("(X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(), Computer, "Linux", "Firefox"),
            (
                format!("(Windows NT 10.0; Win64; x64) {webkit} Chrome/142.0.0.0 Safari/537.36"),
                Computer,
                "Windows",
                "Chrome",
            ),
            (
                format!("(Windows NT 10.0; Win64; x64) {webkit} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"),
                Computer,
                "Windows",
                "Edge",
            ),
            (
                format!("(Windows NT 10.0; Win64; x64) {webkit} coc_coc_browser/130.0 Chrome/124.0.0.0 Safari/537.36"),
                Computer,
                "Windows",
                "Cốc Cốc",
            ),
            (
                format!("(Macintosh; Intel Mac OS X 10_15_7) {apple} Version/26.1 Safari/605.1.15"),
                Computer,
                "macOS",
                "Safari",
            ),
            (
                format!("(Macintosh; Intel Mac OS X 10_15_7) {webkit} Chrome/142.0.0.0 Safari/537.36 OPR/124.0.0.0"),
                Computer,
                "macOS",
                "Opera",
            ),
            (
                format!("(X11; CrOS x86_64 16433.41.0) {webkit} Chrome/142.0.0.0 Safari/537.36"),
                Computer,
                "ChromeOS",
                "Chrome",
            ),
            (
                format!("(iPhone; CPU iPhone OS 18_7 like Mac OS X) {apple} Version/26.1 Mobile/15E148 Safari/604.1"),
                Phone,
                "iOS",
                "Safari",
            ),
            (
                format!("(iPhone; CPU iPhone OS 18_7 like Mac OS X) {apple} FxiOS/145.0 Mobile/15E148 Safari/605.1.15"),
                Phone,
                "iOS",
                "Firefox",
            ),
            (
                format!("(iPad; CPU OS 18_7 like Mac OS X) {apple} CriOS/142.0 Mobile/15E148 Safari/604.1"),
                Tablet,
                "iPadOS",
                "Chrome",
            ),
            (
                format!("(Linux; Android 10; K) {webkit} Chrome/142.0.0.0 Mobile Safari/537.36"),
                Phone,
                "Android",
                "Chrome",
            ),
            (
                format!("(Linux; Android 10; K) {webkit} SamsungBrowser/29.0 Chrome/136.0.0.0 Safari/537.36"),
                Tablet,
                "Android",
                "Samsung Internet",
            ),
            ("(Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0".to_owned(), Phone, "Android", "Firefox"),
            (
                format!("(Linux; Android 12; BRAVIA 4K VH2) {webkit} Chrome/120.0.0.0 Safari/537.36"),
                Tv,
                "Android",
                "Chrome",
            ),
            (format!("(Web0S; Linux/SmartTV) {webkit} Chrome/108.0.0.0 Safari/537.36"), Tv, "webOS", "Chrome"),
            (
                format!("(PlayStation; PlayStation 5/9.00) {apple} Version/17.0 Safari/605.1.15"),
                Console,
                "PlayStation",
                "Safari",
            ),
            (
                "(Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko".to_owned(),
                Computer,
                "Windows",
                "Internet Explorer",
            ),
        ];
        for (rest, kind, system, browser) in cases {
            let agent = Agent::parse(&format!("Mozilla/5.0 {rest}"));
            let expected = Agent { kind, system: Some(system), browser: Some(browser.to_owned()) };
            assert_eq!(agent, expected, "{rest}");
        }
    }

    #[test]
    fn what_is_no_browser_is_called_what_it_calls_itself() {
        let program = |system, name: &str| Agent { kind: DeviceKind::Program, system, browser: Some(name.to_owned()) };
        assert_eq!(Agent::parse("curl/8.5.0"), program(None, "curl"));
        assert_eq!(Agent::parse("okhttp/4.12.0"), program(None, "okhttp"));
        assert_eq!(Agent::parse("My Player 2 (Linux)"), program(Some("Linux"), "My Player 2"));
        assert_eq!(Agent::parse(&"x".repeat(300)), program(None, &"x".repeat(40)));
        let nothing = Agent { kind: DeviceKind::Unknown, system: None, browser: None };
        for text in ["", "/", "\u{202e}evil", "Mozilla/5.0"] {
            assert_eq!(Agent::parse(text), nothing, "{text:?}");
        }
    }

    #[test]
    fn names_are_one_line_of_bounded_length() {
        assert_eq!(DeviceName::parse("  Living\nroom ").unwrap().as_str(), "Living room");
        assert!(DeviceName::parse(&"ế".repeat(60)).is_ok());
        for bad in ["", " \n ", "\u{202e}", "x".repeat(61).as_str()] {
            assert!(DeviceName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
