//! What the web app's page may load and who may frame it.

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, Uri};
use kit::config::{Delivery, StorageConfig};

/// Headers of the page, made once.
pub(super) struct Policy {
    csp: HeaderValue,
    csp_embedded: HeaderValue,
    is_https: bool,
}

impl Policy {
    pub(super) fn new(site_url: &str, storage: &StorageConfig, script_hashes: &[String]) -> anyhow::Result<Self> {
        let media = media_origins(storage).join(" ");
        let socket = site_url.replacen("http", "ws", 1);
        let scripts = script_hashes.join(" ");
        let directives = [
            "default-src 'self'".to_owned(),
            "base-uri 'none'".to_owned(),
            "object-src 'none'".to_owned(),
            "form-action 'self'".to_owned(),
            format!("script-src 'self' {scripts}"),
            // The player's controls bring their style sheets inside their shadow roots.
            "style-src 'self' 'unsafe-inline'".to_owned(),
            format!("img-src 'self' data: blob: {media}"),
            format!("media-src 'self' blob: {media}"),
            format!("connect-src 'self' {socket} {media}"),
            "worker-src 'self' blob:".to_owned(),
            "font-src 'self'".to_owned(),
            "manifest-src 'self'".to_owned(),
        ];
        let csp = directives.map(|directive| directive.trim_end().to_owned()).join("; ");
        Ok(Self {
            csp_embedded: HeaderValue::try_from(format!("{csp}; frame-ancestors *"))?,
            csp: HeaderValue::try_from(format!("{csp}; frame-ancestors 'none'"))?,
            is_https: site_url.starts_with("https://"),
        })
    }

    /// For pages whose address is a secret: no other site is told of it, and nothing lists it.
    pub(super) fn apply_unlisted(headers: &mut HeaderMap) {
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    }

    /// `is_embedded`: a page made for frames on other sites.
    pub(super) fn apply(&self, headers: &mut HeaderMap, is_embedded: bool) {
        let set = |headers: &mut HeaderMap, name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        headers.insert(CONTENT_SECURITY_POLICY, if is_embedded { &self.csp_embedded } else { &self.csp }.clone());
        set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(headers, REFERRER_POLICY, "strict-origin-when-cross-origin");
        set(
            headers,
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        );
        if !is_embedded {
            set(headers, X_FRAME_OPTIONS, "DENY");
            set(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        }
        if self.is_https {
            set(headers, STRICT_TRANSPORT_SECURITY, "max-age=31536000");
        }
    }
}

/// Where media comes from when it does not come through us.
fn media_origins(storage: &StorageConfig) -> Vec<String> {
    let origin = |url: &str| {
        let uri: Uri = url.parse().ok()?;
        Some((uri.scheme_str()?.to_owned(), uri.authority()?.to_string()))
    };
    let found = match storage.delivery {
        Delivery::Proxy => None,
        Delivery::Public => origin(&storage.public_url),
        Delivery::Presigned => origin(&storage.endpoint).map(|(scheme, host)| {
            let host = if storage.path_style { host } else { format!("{}.{host}", storage.bucket) };
            (scheme, host)
        }),
    };
    found.map(|(scheme, host)| format!("{scheme}://{host}")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_allowed_only_when_browsers_fetch_from_it() {
        let mut storage =
            StorageConfig { endpoint: "https://s3.example:9000/x".to_owned(), ..StorageConfig::default() };
        assert!(media_origins(&storage).is_empty());
        storage.delivery = Delivery::Presigned;
        assert_eq!(media_origins(&storage), ["https://s3.example:9000"]);
        storage.path_style = false;
        assert_eq!(media_origins(&storage), ["https://rillcast.s3.example:9000"]);
    }

    #[test]
    fn only_embeds_may_be_framed() {
        let policy = Policy::new("https://tv.example", &StorageConfig::default(), &[]).unwrap();
        let mut headers = HeaderMap::new();
        policy.apply(&mut headers, false);
        let csp = headers[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(csp.contains("frame-ancestors 'none'") && csp.contains("script-src 'self';"), "{csp}");
        assert!(csp.contains("wss://tv.example"), "{csp}");
        policy.apply(&mut headers, true);
        assert!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors *"));
    }
}
