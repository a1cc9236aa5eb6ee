//! Which web pages may open sockets here. Programs send no Origin and are let in: the check protects browsers' users.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use kit::Config;

/// The site's own addresses and those the operator allows.
#[derive(Debug, Clone)]
pub(crate) struct Origins(Vec<String>);

/// What the Origin header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Not a browser, or a page of this very host.
    Own,
    /// A page of another site, allowed by the operator.
    Allowed(String),
    Foreign,
}

impl Origins {
    pub(crate) fn new(config: &Config) -> Self {
        let site = std::iter::once(&config.http.public_url);
        Self(site.chain(&config.chat.allowed_origins).filter_map(|url| origin_of(url)).collect())
    }

    pub(crate) fn judge(&self, headers: &HeaderMap) -> Visit {
        let mut given = headers.get_all(ORIGIN).iter();
        let Some(origin) = given.next() else { return Visit::Own };
        let (None, Ok(origin)) = (given.next(), origin.to_str()) else { return Visit::Foreign };
        let Some(origin) = origin_of(origin) else { return Visit::Foreign };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // A page's scheme may differ from ours behind a proxy that ends TLS; its host and port may not.
        if ["http", "https"].iter().any(|scheme| origin_of(&format!("{scheme}://{host}")).as_ref() == Some(&origin)) {
            return Visit::Own;
        }
        if self.0.contains(&origin) { Visit::Allowed(origin) } else { Visit::Foreign }
    }
}

/// `scheme://host[:port]` in lower case, without a scheme's own port and whatever follows. `None` for anything else.
fn origin_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.trim_end_matches('/').parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let authority = uri.authority()?;
    if !matches!(scheme.as_str(), "http" | "https") || authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    match authority.port_u16() {
        Some(port) if (scheme == "http" && port != 80) || (scheme == "https" && port != 443) => {
            Some(format!("{scheme}://{host}:{port}"))
        }
        _ => Some(format!("{scheme}://{host}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(origin: &str, host: &str) -> Visit {
        let mut config = Config::default();
        config.http.public_url = "https://tv.example/".to_owned();
        config.chat.allowed_origins = vec!["https://App.example:443".to_owned()];
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if !origin.is_empty() {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        Origins::new(&config).judge(&headers)
    }

    #[test]
    fn pages_of_the_site_and_programs_are_let_in() {
        assert_eq!(judge("", "127.0.0.1:8080"), Visit::Own);
        assert_eq!(judge("http://127.0.0.1:8080", "127.0.0.1:8080"), Visit::Own);
        assert_eq!(judge("https://Host.example", "host.example"), Visit::Own);
        assert_eq!(judge("https://tv.example", "10.0.0.7:8080"), Visit::Allowed("https://tv.example".to_owned()));
        assert_eq!(judge("https://app.example", "tv.example"), Visit::Allowed("https://app.example".to_owned()));
    }

    #[test]
    fn look_alikes_and_nobody_are_foreign() {
        for bad in [
            "null",
            "https://tv.example.evil.example",
            "https://eviltv.example",
            "https://tv.example@evil.example",
            "https://tv.example:8443",
            "http://127.0.0.1:8081",
            "file://tv.example",
            "tv.example",
        ] {
            assert_eq!(judge(bad, "127.0.0.1:8080"), Visit::Foreign, "{bad}");
        }
    }
}
