//! Looking for channels, recordings and one's own files by their words. What there is to be found is kept by `jobs::search`; who may find it is
//! asked of the rows themselves.

use std::time::Duration;

use axum::extract::State;
use db::search::{FoundChannel, Place};
use domain::search::Question;
use domain::{Classify, FileId, Kind, UserId, VodId};
use kit::Problem;
use kit::problem::ProblemBody;
use live::limits::Quota;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Eyes;
use crate::account::Account;
use crate::extract::{Fields, Json, Query};
use crate::files::shapes::FileView;
use crate::net::{Client, limit_key};
use crate::page::{self, PageQuery};
use crate::shapes::{ChannelRef, Vod};
use crate::state::App;

/// Questions of one member, or of one address without a sign-in: a page asks while its reader types.
const QUESTIONS: Quota = Quota::new(120, Duration::from_secs(60));
/// Of each kind, when all are asked for and no limit is said.
const OF_EACH: u32 = 5;

#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error("that was asked too often; wait before the next question")]
    Throttled(Duration),
}

impl Classify for SearchError {
    fn kind(&self) -> Kind {
        match self {
            Self::Throttled(_) => Kind::Throttled,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Throttled(_) => "search.throttled",
        }
    }

    fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Throttled(wait) => Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SearchKind {
    Channel,
    Vod,
    /// The caller's own files.
    File,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// 1 to 100 characters. All words must be there, without regard to case and marks; the last one may be the beginning of a word.
    #[param(min_length = 1, max_length = 100)]
    q: String,
    /// Only these: `channel`, `vod` or `file`. Without it the best of each.
    #[param(inline)]
    kind: Option<SearchKind>,
    /// Most items of each kind in the answer: 1 to 100; unless said 24 of one kind, or 5 of each.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before. Only with a `kind`.
    cursor: Option<String>,
}

/// A channel that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelHit {
    username: String,
    display_name: String,
    avatar_url: Option<String>,
    bio: String,
    followers_count: i64,
    /// It airs something the caller's lists show.
    is_live: bool,
}

impl From<FoundChannel> for ChannelHit {
    fn from(found: FoundChannel) -> Self {
        let face = ChannelRef::from(found.owner);
        Self {
            username: face.username,
            display_name: face.display_name,
            avatar_url: face.avatar_url,
            bio: found.bio,
            followers_count: found.followers_count,
            is_live: found.is_live,
        }
    }
}

/// What was found, the best first.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct SearchResults {
    channels: Vec<ChannelHit>,
    /// What lists show the caller.
    vods: Vec<Vod>,
    /// Of the caller's own files. Nothing for visitors, and for tokens of programs, which list files by `GET /api/v1/files?q=`.
    files: Vec<FileView>,
    /// Of the `kind` that was asked for.
    next_cursor: Option<String>,
    /// Kinds of which there is more than is shown. A list of it is had by asking with that `kind`.
    more: Vec<SearchKind>,
}

/// Looks for channels, recordings and the caller's own files.
#[utoipa::path(
    get,
    path = "/api/v1/search",
    operation_id = "search",
    params(SearchQuery),
    responses(
        (status = 200, description = "What was found", body = SearchResults),
        (status = "4XX", description = "What went wrong; `search.throttled` when there were too many questions", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security((), ("bearer" = [])),
    tag = "search",
)]
pub(crate) async fn search(
    State(app): State<App>,
    account: Option<Account>,
    client: Client,
    Query(query): Query<SearchQuery>,
) -> Result<Json<SearchResults>, Problem> {
    let mut fields = Fields::default();
    let question = fields.take(Question::parse(&query.q));
    if query.kind.is_none() && query.cursor.as_deref().is_some_and(|cursor| !cursor.is_empty()) {
        fields.push("cursor", "is for one kind");
    }
    fields.check()?;
    let limit = query.limit.or(query.kind.is_none().then_some(OF_EACH));
    let paging = PageQuery { limit, cursor: query.cursor };
    let (limit, after) = (paging.limit()?, paging.after::<Place>()?);
    throttle(&app, account.as_ref(), &client).await?;
    // Nothing has what there is no letter of.
    let Some(question) = question.filter(|question| !question.is_empty()) else {
        return Ok(Json(SearchResults::default()));
    };
    let asked = Asked { app: &app, question: &question, after, limit };
    let eyes = Eyes::of_member(&app, account.as_ref());
    let owner = account.as_ref().filter(|account| !account.is_program).map(|account| account.id);
    let wants = |kind: SearchKind| query.kind.is_none_or(|only| only == kind);
    let (channels, vods, files) = tokio::try_join!(
        asked.channels(eyes.id(), wants(SearchKind::Channel)),
        asked.vods(&eyes, wants(SearchKind::Vod)),
        asked.files(owner.filter(|_| wants(SearchKind::File))),
    )?;
    let ends = [(SearchKind::Channel, channels.1), (SearchKind::Vod, vods.1), (SearchKind::File, files.1)];
    let more: Vec<_> = ends.iter().filter(|(_, end)| end.is_some()).map(|(kind, _)| *kind).collect();
    let next_cursor = query.kind.and_then(|_| ends.into_iter().find_map(|(_, end)| end));
    Ok(Json(SearchResults { channels: channels.0, vods: vods.0, files: files.0, next_cursor, more }))
}

async fn throttle(app: &App, account: Option<&Account>, client: &Client) -> Result<(), SearchError> {
    let bucket = match account {
        Some(account) => format!("search:{}", account.id),
        None => format!("search:{}", limit_key(client.addr)),
    };
    let verdict = app.limits.hit(&bucket, QUESTIONS).await;
    if verdict.is_allowed { Ok(()) } else { Err(SearchError::Throttled(verdict.retry_after)) }
}

/// A question, and which part of what it finds.
struct Asked<'a> {
    app: &'a App,
    question: &'a Question,
    after: Option<Place>,
    limit: usize,
}

/// A page, and where the next one begins.
type Page<T> = (Vec<T>, Option<String>);

impl Asked<'_> {
    async fn channels(&self, viewer: Option<UserId>, is_asked: bool) -> Result<Page<ChannelHit>, Problem> {
        if !is_asked {
            return Ok(Page::default());
        }
        let rows = page::rows(self.limit);
        let mut found = db::search::channels(&self.app.pool, self.question, viewer, self.after, rows).await?;
        let next = page::cut(&mut found, self.limit, |one| (one.rank, one.id.as_uuid()));
        Ok((found.into_iter().map(ChannelHit::from).collect(), next))
    }

    async fn vods(&self, eyes: &Eyes<'_>, is_asked: bool) -> Result<Page<Vod>, Problem> {
        if !is_asked {
            return Ok(Page::default());
        }
        let rows = page::rows(self.limit);
        let mut found = db::search::vods(&self.app.pool, self.question, eyes.id(), self.after, rows).await?;
        let next = page::cut(&mut found, self.limit, |one| (one.rank, one.id.as_uuid()));
        let ids: Vec<VodId> = found.iter().map(|one| one.id).collect();
        if ids.is_empty() {
            return Ok(Page::default());
        }
        let mut conn = self.app.pool.acquire().await.map_err(db::DbError::from)?;
        let vods = db::vods::load(&mut conn, &ids, eyes.id()).await?;
        Ok((vods.into_iter().map(|vod| Vod::of(vod, eyes)).collect(), next))
    }

    async fn files(&self, owner: Option<UserId>) -> Result<Page<FileView>, Problem> {
        let Some(owner) = owner else { return Ok(Page::default()) };
        let rows = page::rows(self.limit);
        let mut found = db::search::files(&self.app.pool, self.question, owner, self.after, rows).await?;
        let next = page::cut(&mut found, self.limit, |one| (one.rank, one.id.as_uuid()));
        let ids: Vec<FileId> = found.iter().map(|one| one.id).collect();
        if ids.is_empty() {
            return Ok(Page::default());
        }
        let mut conn = self.app.pool.acquire().await.map_err(db::DbError::from)?;
        let files = db::files::load(&mut conn, owner, &ids).await?;
        Ok((files.into_iter().map(FileView::from).collect(), next))
    }
}
