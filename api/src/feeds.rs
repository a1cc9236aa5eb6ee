//! Feeds of a channel: RSS 2.0 with podcast tags, and JSON Feed 1.1. Only what is for everybody is in them.

mod rss;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::stream::VodStatus;
use domain::user::Username;
use domain::{Timestamp, VodId};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use kit::Problem;
use kit::negotiation::is_unchanged;
use kit::problem::ProblemBody;
use objects::keys::avatar_url;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::channels::ChannelError;
use crate::extract::Path;
use crate::state::App;

/// Recordings in a feed, the latest of them.
const ITEMS_MAX: i64 = 50;
/// Feed readers ask often; a minute is new enough for them.
const CACHING: HeaderValue = HeaderValue::from_static("public, max-age=60");
const HLS: &str = "application/vnd.apple.mpegurl";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct FeedPath {
    /// The channel's name, as it appears in its address.
    username: String,
}

/// What a channel has for everybody. Addresses are absolute.
struct Feed {
    site_url: String,
    username: Username,
    title: String,
    about: String,
    picture: Option<String>,
    live: Option<Live>,
    items: Vec<Item>,
}

/// The stream on air.
struct Live {
    id: domain::StreamId,
    title: String,
    started_at: Timestamp,
}

/// A recording.
struct Item {
    id: VodId,
    title: String,
    description: String,
    tags: Vec<String>,
    created_at: Timestamp,
    seconds: i64,
    bytes: i64,
    has_picture: bool,
}

impl Feed {
    async fn of(app: &App, path: &FeedPath) -> Result<Self, Problem> {
        let username = Username::parse(&path.username).map_err(|_| ChannelError::NotFound)?;
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        let channel = db::channels::find(&mut conn, username.as_str(), None).await?.ok_or(ChannelError::NotFound)?;
        let live = db::streams::live_of(&mut conn, &[channel.id], db::access::Viewer::default()).await?.pop();
        let filter = db::vods::Filter { channel: Some(username.as_str()), ..Default::default() };
        let vods = db::vods::recent(&mut conn, filter, None, ITEMS_MAX).await?;
        Ok(Self {
            site_url: app.site_url.clone(),
            title: channel.owner.display_name,
            about: channel.bio,
            picture: channel.owner.avatar_key.as_deref().map(|key| format!("{}{}", app.site_url, avatar_url(key))),
            live: live.map(|stream| Live { id: stream.id, title: stream.title, started_at: stream.started_at }),
            items: vods
                .into_iter()
                // What still grows has no end to tell of; it is the stream on air.
                .filter(|vod| vod.status == VodStatus::Ready)
                .map(|vod| Item {
                    id: vod.id,
                    title: vod.title,
                    description: vod.description,
                    tags: vod.tags,
                    created_at: vod.created_at,
                    seconds: vod.duration_ms / 1_000,
                    bytes: vod.byte_size,
                    has_picture: vod.thumbnail_key.is_some(),
                })
                .collect(),
            username,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site_url)
    }

    fn page(&self) -> String {
        self.url(&format!("/c/{}", self.username))
    }

    /// In JSON Feed 1.1.
    fn json(&self) -> String {
        let items: Vec<_> = self
            .items
            .iter()
            .map(|item| {
                let url = self.url(&format!("/v/{}", item.id));
                json!({
                    "id": url,
                    "url": url,
                    "title": item.title,
                    "content_text": item.description,
                    "date_published": item.created_at,
                    "tags": item.tags,
                    "image": item.has_picture.then(|| self.url(&format!("/vod/{}/thumbnail.jpg", item.id))),
                    "attachments": [{
                        "url": self.url(&format!("/vod/{}/index.m3u8", item.id)),
                        "mime_type": HLS,
                        "size_in_bytes": item.bytes,
                        "duration_in_seconds": item.seconds,
                    }],
                })
            })
            .collect();
        let feed = json!({
            "version": "https://jsonfeed.org/version/1.1",
            "title": self.title,
            "home_page_url": self.page(),
            "feed_url": format!("{}/feed.json", self.page()),
            "description": self.about,
            "icon": self.picture,
            "authors": [{ "name": self.title, "url": self.page(), "avatar": self.picture }],
            "items": items,
        });
        without_nulls(feed).to_string()
    }
}

/// A reader takes what is missing for missing; of null it may think anything.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// The channel's recordings, and the stream on air, as RSS 2.0 with podcast tags.
#[utoipa::path(
    get,
    path = "/c/{username}/feed.xml",
    operation_id = "channel_rss",
    params(FeedPath),
    responses(
        (status = 200, description = "The feed", content_type = "application/rss+xml"),
        (status = 304, description = "It is as the caller knows it"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "feeds",
)]
pub(crate) async fn channel_rss(
    State(app): State<App>,
    Path(path): Path<FeedPath>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let feed = Feed::of(&app, &path).await?;
    Ok(answer(&headers, HeaderValue::from_static("application/rss+xml; charset=utf-8"), rss::text(&feed)))
}

/// The channel's recordings as JSON Feed 1.1.
#[utoipa::path(
    get,
    path = "/c/{username}/feed.json",
    operation_id = "channel_json_feed",
    params(FeedPath),
    responses(
        (status = 200, description = "The feed", content_type = "application/feed+json"),
        (status = 304, description = "It is as the caller knows it"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "feeds",
)]
pub(crate) async fn channel_json_feed(
    State(app): State<App>,
    Path(path): Path<FeedPath>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let feed = Feed::of(&app, &path).await?;
    Ok(answer(&headers, HeaderValue::from_static("application/feed+json; charset=utf-8"), feed.json()))
}

fn answer(asked: &HeaderMap, mime: HeaderValue, text: String) -> Response {
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(text.as_bytes())[..12]));
    let mut response =
        if is_unchanged(asked, &etag) { StatusCode::NOT_MODIFIED.into_response() } else { text.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, mime);
    headers.insert(CACHE_CONTROL, CACHING);
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    response
}
