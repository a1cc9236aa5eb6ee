//! What a link to a channel, a recording or a clip says of itself where links are pasted (OpenGraph).

use std::fmt;
use std::time::Duration;

use domain::user::Username;
use domain::{ClipId, VodId};
use tokio::time::timeout;

use crate::state::App;
use objects::keys::avatar_url;

/// A page without its preview is better than a page that waits.
const LOOK_UP_WAIT_MAX: Duration = Duration::from_millis(800);
const DESCRIPTION_CHARS_MAX: usize = 200;

/// What a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Channel(Username),
    Vod(VodId),
    Clip(ClipId),
}

impl Subject {
    /// From `c/{username}`, `v/{id}` or `clip/{id}`.
    pub(super) fn of(path: &str) -> Option<Self> {
        let mut parts = path.trim_end_matches('/').split('/');
        match (parts.next()?, parts.next()?, parts.next()) {
            ("c", name, None) => Username::parse(name).ok().map(Self::Channel),
            ("v", id, _) => id.parse().ok().map(Self::Vod),
            ("clip", id, None) => id.parse().ok().map(Self::Clip),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(name) => write!(f, "c/{name}"),
            Self::Vod(id) => write!(f, "v/{id}"),
            Self::Clip(id) => write!(f, "clip/{id}"),
        }
    }
}

/// The words and the picture.
#[derive(Debug, Clone)]
pub(super) struct Preview {
    pub title: String,
    description: String,
    url: String,
    image: Option<String>,
    /// It has feeds beside it.
    has_feeds: bool,
}

impl Preview {
    /// Tags for the head.
    pub(super) fn tags(&self) -> String {
        let mut tags = String::new();
        let mut tag = |kind: &str, name: &str, value: &str| {
            tags.push_str(&format!("<meta {kind}=\"{name}\" content=\"{}\" />", escape(value)));
        };
        tag("property", "og:site_name", "Rillcast");
        tag("property", "og:type", "video.other");
        tag("property", "og:title", &self.title);
        tag("property", "og:description", &self.description);
        tag("property", "og:url", &self.url);
        tag("name", "twitter:card", if self.image.is_some() { "summary_large_image" } else { "summary" });
        if let Some(image) = &self.image {
            tag("property", "og:image", image);
        }
        if self.has_feeds {
            for (mime, file) in [("application/rss+xml", "feed.xml"), ("application/feed+json", "feed.json")] {
                let (url, title) = (escape(&self.url), escape(&self.title));
                tags.push_str(&format!(
                    "<link rel=\"alternate\" type=\"{mime}\" href=\"{url}/{file}\" title=\"{title}\" />"
                ));
            }
        }
        tags.push_str(&format!("<link rel=\"canonical\" href=\"{}\" />", escape(&self.url)));
        tags
    }
}

/// Text made harmless inside HTML text and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The preview of a subject, if it exists and the database answers in time.
pub(super) async fn look_up(app: &App, subject: &Subject) -> Option<Preview> {
    let found = timeout(LOOK_UP_WAIT_MAX, async {
        match subject {
            Subject::Channel(name) => channel(app, name).await,
            Subject::Vod(id) => vod(app, *id).await,
            Subject::Clip(id) => clip(app, *id).await,
        }
    })
    .await;
    match found {
        Ok(Ok(preview)) => preview,
        Ok(Err(error)) => {
            tracing::debug!(%error, page = %subject, "no link preview");
            None
        }
        Err(_) => None,
    }
}

async fn channel(app: &App, name: &Username) -> Result<Option<Preview>, db::DbError> {
    let mut conn = app.pool.acquire().await?;
    let Some(channel) = db::channels::find(&mut conn, name.as_str(), None).await? else { return Ok(None) };
    let live = db::streams::live_of(&mut conn, &[channel.id], db::access::Viewer::default()).await?.pop();
    let who = channel.owner.display_name;
    let avatar = channel.owner.avatar_key.as_deref().map(avatar_url);
    let (title, description, image) = match live {
        Some(stream) => {
            let picture = format!("/live/{name}/thumbnail.jpg");
            (format!("{who}: {}", stream.title), format!("{who} is live."), Some(picture))
        }
        None => (who, channel.bio, avatar),
    };
    Ok(Some(Preview {
        title,
        description: short(&description),
        url: format!("{}/c/{name}", app.site_url),
        image: image.map(|path| format!("{}{path}", app.site_url)),
        has_feeds: true,
    }))
}

async fn vod(app: &App, id: VodId) -> Result<Option<Preview>, db::DbError> {
    let mut conn = app.pool.acquire().await?;
    let Some((vod, _)) = db::vods::find(&mut conn, id, None).await? else { return Ok(None) };
    let description = if vod.description.is_empty() { vod.owner.display_name.clone() } else { vod.description };
    Ok(Some(Preview {
        title: vod.title,
        description: short(&description),
        url: format!("{}/v/{id}", app.site_url),
        image: vod
            .thumbnail_key
            .filter(|_| !vod.visibility.needs_token())
            .map(|_| format!("{}/vod/{id}/thumbnail.jpg", app.site_url)),
        has_feeds: false,
    }))
}

async fn clip(app: &App, id: ClipId) -> Result<Option<Preview>, db::DbError> {
    let mut conn = app.pool.acquire().await?;
    let Some(clip) = db::clips::find(&mut conn, id, None).await? else { return Ok(None) };
    let description = format!("{} · {}", clip.owner.display_name, clip.vod_title);
    Ok(Some(Preview {
        title: clip.title,
        description: short(&description),
        url: format!("{}/clip/{id}", app.site_url),
        image: (clip.has_picture && !clip.visibility.needs_token())
            .then(|| format!("{}/clip/{id}/thumbnail.jpg", app.site_url)),
        has_feeds: false,
    }))
}

fn short(text: &str) -> String {
    domain::chat::normalise_line(text).chars().take(DESCRIPTION_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_channels_recordings_and_clips_have_subjects() {
        assert!(matches!(Subject::of("c/Alice"), Some(Subject::Channel(name)) if name.as_str() == "alice"));
        assert!(matches!(Subject::of("v/01939b1c-0000-7000-8000-000000000000/a-title"), Some(Subject::Vod(_))));
        assert!(matches!(Subject::of("clip/01939b1c-0000-7000-8000-000000000000"), Some(Subject::Clip(_))));
        for none in ["", "c", "c/a/b", "studio", "v/x", "c/<script>", "clip/x", "clip"] {
            assert_eq!(Subject::of(none), None, "{none}");
        }
    }

    #[test]
    fn words_cannot_leave_their_attribute() {
        let preview = Preview {
            title: "\"><script>alert('x')</script>&".to_owned(),
            description: String::new(),
            url: "https://tv.example/c/a".to_owned(),
            image: None,
            has_feeds: true,
        };
        let tags = preview.tags();
        assert!(!tags.contains("<script>") && !tags.contains("'x'"));
        assert!(tags.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"));
    }
}
