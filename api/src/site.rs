//! The web app's files: embedded at build time, precompressed, and its page with the words a link preview needs.

mod og;
mod policy;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use kit::Problem;
use kit::config::StorageConfig;
use kit::negotiation::{is_unchanged, takes, takes_gzip};
use moka::future::Cache;
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use crate::state::App;
use policy::Policy;

/// Vite puts a hash of the content into every name below this.
const HASHED: &str = "assets/";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";
/// First parts of paths that are never a page.
const NOT_PAGES: &[&str] = &["api", "live", "vod", "media", "socket.io", "healthz", "readyz", "metrics", "problems"];
/// How long a page's preview words are kept: a popular link costs the database one look.
const PREVIEW_TTL: Duration = Duration::from_secs(10);
const PREVIEWS_MAX: u64 = 2_000;

#[derive(Embed)]
#[folder = "$CARGO_MANIFEST_DIR/../web/dist"]
struct Dist;

struct Asset {
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    mime: HeaderValue,
    etag: HeaderValue,
    is_hashed: bool,
}

/// Everything the web app consists of.
pub(crate) struct Site {
    assets: HashMap<String, Asset>,
    index: Index,
    policy: Policy,
    previews: Cache<String, Option<Bytes>>,
}

/// index.html, cut where words are put in.
struct Index {
    /// Up to the title's text, between the title and the head's end, and the rest.
    before_title: String,
    title: String,
    after_title: String,
    after_head: String,
}

impl Site {
    pub(crate) fn new(site_url: &str, storage: &StorageConfig) -> anyhow::Result<Self> {
        let bytes_of = |name: &str| {
            Dist::get(name).map(|file| match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            })
        };
        let mut assets = HashMap::new();
        for name in Dist::iter().filter(|name| !name.ends_with(".br") && !name.ends_with(".gz")) {
            let Some(plain) = bytes_of(&name) else { continue };
            let mime = mime_guess::from_path(&*name).first_or_octet_stream();
            let mime = match mime.type_() {
                mime_guess::mime::TEXT => format!("{mime}; charset=utf-8"),
                _ => mime.to_string(),
            };
            let digest = hex::encode(&Sha256::digest(&plain)[..12]);
            let asset = Asset {
                brotli: bytes_of(&format!("{name}.br")),
                gzip: bytes_of(&format!("{name}.gz")),
                mime: HeaderValue::try_from(mime)?,
                etag: HeaderValue::try_from(format!("\"{digest}\""))?,
                is_hashed: name.starts_with(HASHED),
                plain,
            };
            assets.insert(name.into_owned(), asset);
        }
        let index = assets.get("index.html").ok_or_else(|| anyhow::anyhow!("the web app has no index.html"))?;
        let html = String::from_utf8(index.plain.to_vec())?;
        let policy = Policy::new(site_url, storage, &inline_script_hashes(&html))?;
        Ok(Self {
            assets,
            index: Index::cut(&html)?,
            policy,
            previews: Cache::builder().max_capacity(PREVIEWS_MAX).time_to_live(PREVIEW_TTL).build(),
        })
    }
}

impl Index {
    fn cut(html: &str) -> anyhow::Result<Self> {
        let broken = || anyhow::anyhow!("index.html has no title in its head");
        let (before_title, rest) = html.split_once("<title>").ok_or_else(broken)?;
        let (title, rest) = rest.split_once("</title>").ok_or_else(broken)?;
        let (after_title, after_head) = rest.split_once("</head>").ok_or_else(broken)?;
        Ok(Self {
            before_title: before_title.to_owned(),
            title: title.to_owned(),
            after_title: after_title.to_owned(),
            after_head: after_head.to_owned(),
        })
    }

    fn with(&self, preview: &og::Preview) -> Bytes {
        let title = format!("{} · {}", og::escape(&preview.title), self.title);
        let Self { before_title, after_title, after_head, .. } = self;
        let tags = preview.tags();
        format!("{before_title}<title>{title}</title>{after_title}{tags}</head>{after_head}").into()
    }
}

/// CSP sources for scripts written into the page itself, if the build leaves any.
fn inline_script_hashes(html: &str) -> Vec<String> {
    let mut hashes = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("<script") {
        let Some((attributes, after)) = after.split_once('>') else { break };
        let Some((body, after)) = after.split_once("</script>") else { break };
        if !attributes.contains("src=") && !body.is_empty() {
            hashes.push(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(body.as_bytes()))));
        }
        rest = after;
    }
    hashes
}

/// Everything no route knows: a file of the web app, one of its pages, or nothing.
pub(crate) async fn fallback(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if !matches!(*request.method(), Method::GET | Method::HEAD) || NOT_PAGES.contains(&first) {
        return Problem::not_found().into_response();
    }
    if path != "index.html"
        && let Some(asset) = app.site.assets.get(path)
    {
        return serve(asset, request.headers());
    }
    let looks_like_a_file = path.rsplit('/').next().is_some_and(|name| name.contains('.')) && path != "index.html";
    if looks_like_a_file {
        return Problem::not_found().into_response();
    }
    page(&app, path, request.headers()).await
}

/// The web app's page, which draws whatever the path names.
async fn page(app: &App, path: &str, headers: &HeaderMap) -> Response {
    let mut response = match preview(app, path).await {
        Some(html) => {
            let mime = HeaderValue::from_static("text/html; charset=utf-8");
            ([(CONTENT_TYPE, mime), (CACHE_CONTROL, HeaderValue::from_static(REVALIDATE))], html).into_response()
        }
        None => match app.site.assets.get("index.html") {
            Some(index) => serve(index, headers),
            None => return Problem::not_found().into_response(),
        },
    };
    app.site.policy.apply(response.headers_mut(), path.starts_with("embed/"));
    if path.starts_with("share/") {
        Policy::apply_unlisted(response.headers_mut());
    }
    response
}

/// The page with the words for a link to a channel, a recording or a clip. `None` where there are none to say.
async fn preview(app: &App, path: &str) -> Option<Bytes> {
    let subject = og::Subject::of(path)?;
    let key = subject.to_string();
    app.site
        .previews
        .get_with(key, async { og::look_up(app, &subject).await.map(|preview| app.site.index.with(&preview)) })
        .await
}

fn serve(asset: &Asset, headers: &HeaderMap) -> Response {
    let caching = HeaderValue::from_static(if asset.is_hashed { IMMUTABLE } else { REVALIDATE });
    let is_known = asset.etag.to_str().is_ok_and(|etag| is_unchanged(headers, etag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let (body, encoding) = match (&asset.brotli, &asset.gzip) {
            (Some(brotli), _) if takes(headers, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if takes_gzip(headers) => (gzip, Some("gzip")),
            _ => (&asset.plain, None),
        };
        let mut response = body.clone().into_response();
        response.headers_mut().insert(CONTENT_TYPE, asset.mime.clone());
        if let Some(encoding) = encoding {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, caching);
    out.insert(ETAG, asset.etag.clone());
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_inside_the_page_are_named_by_their_hash() {
        let html = r#"<script src="/a.js"></script><script>alert(1)</script>"#;
        assert_eq!(inline_script_hashes(html), ["'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"]);
    }
}
