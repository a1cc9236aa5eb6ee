//! Categories: a short list that administrators keep.

use axum::extract::State;
use db::audit::Entry;
use domain::audit::{Action, Actor};
use domain::stream::parse_tags;
use domain::{CategorySlug, Classify, Kind, Permission};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::account::Account;
use crate::extract::{Fields, Json, Path, Query, storable};
use crate::net::Client;
use crate::page::{self, LIMIT_MAX, PageQuery};
use crate::state::App;

const NAME_CHARS_MAX: usize = 60;
const DESCRIPTION_CHARS_MAX: usize = 500;

#[derive(Debug, thiserror::Error)]
#[error("there is no such category")]
struct NoCategory;

impl Classify for NoCategory {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn code(&self) -> &'static str {
        "category.not-found"
    }
}

/// What a stream is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Category {
    slug: String,
    name: String,
    description: String,
    thumbnail_url: Option<String>,
    tags: Vec<String>,
    /// Lower comes first.
    position: i32,
}

impl From<db::categories::Category> for Category {
    fn from(category: db::categories::Category) -> Self {
        Self {
            slug: category.slug,
            name: category.name,
            description: category.description,
            // Pictures of categories come with a later feature; no row has one.
            thumbnail_url: None,
            tags: category.tags,
            position: category.position,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CategoryPage {
    items: Vec<Category>,
    next_cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutCategory {
    /// 1 to 60 characters.
    name: String,
    /// Up to 500 characters.
    #[serde(default)]
    description: String,
    /// At most ten of at most 25 characters.
    #[serde(default)]
    tags: Vec<String>,
    /// Lower comes first.
    #[serde(default)]
    position: i32,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CategoryPath {
    /// The category's name in addresses, such as `just-chatting`.
    slug: String,
}

/// Every category, in the editors' order.
#[utoipa::path(
    get,
    path = "/api/v1/categories",
    operation_id = "categories",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of categories", body = CategoryPage),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    tag = "categories",
)]
pub(crate) async fn categories(
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> Result<Json<CategoryPage>, Problem> {
    // Short by nature: whoever does not ask for pages gets the longest.
    let limit = PageQuery { limit: query.limit.or(Some(LIMIT_MAX)), cursor: None }.limit()?;
    let after = query.after::<(i32, String)>()?.map(|(position, slug)| (position, storable(&slug)));
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let after = after.as_ref().map(|(position, slug)| (*position, slug.as_str()));
    let mut rows = db::categories::list(&mut conn, after, page::rows(limit)).await?;
    let next_cursor = page::cut(&mut rows, limit, |row| (row.position, row.slug.clone()));
    Ok(Json(CategoryPage { items: rows.into_iter().map(Category::from).collect(), next_cursor }))
}

/// Creates or replaces a category. For administrators.
#[utoipa::path(
    put,
    path = "/api/v1/categories/{slug}",
    operation_id = "put_category",
    params(CategoryPath),
    request_body = PutCategory,
    responses(
        (status = 200, description = "The category as it is now", body = Category),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "categories",
)]
pub(crate) async fn put_category(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<CategoryPath>,
    Json(body): Json<PutCategory>,
) -> Result<Json<Category>, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    account.require(&mut tx, Permission::EditCategories).await?;
    let mut fields = Fields::default();
    let slug = fields.take(CategorySlug::parse(&path.slug));
    let name = domain::chat::normalise_line(&body.name);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        fields.push("name", "must be 1 to 60 characters");
    }
    if body.description.chars().count() > DESCRIPTION_CHARS_MAX || body.description.contains('\0') {
        fields.push("description", "must be at most 500 characters of text");
    }
    let tags = fields.take(parse_tags(&body.tags));
    fields.check()?;
    let (Some(slug), Some(tags)) = (slug, tags) else { return Err(Problem::not_found()) };
    let new = db::categories::Category {
        slug: slug.as_str().to_owned(),
        name,
        description: body.description,
        thumbnail_key: None,
        tags,
        position: body.position,
    };
    let stored = db::categories::put(&mut tx, &new).await?;
    let entry = Entry {
        details: json!({ "position": stored.position, "tags": stored.tags }),
        addr: Some(client.addr),
        ..Entry::new(Actor::Member(account.id), Action::CategoryChanged, &stored.slug, &stored.name)
    };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    Ok(Json(stored.into()))
}

/// Removes a category; what was in it has none afterwards. For administrators.
#[utoipa::path(
    delete,
    path = "/api/v1/categories/{slug}",
    operation_id = "delete_category",
    params(CategoryPath),
    responses(
        (status = 204, description = "Removed"),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "categories",
)]
pub(crate) async fn delete_category(
    State(app): State<App>,
    account: Account,
    client: Client,
    Path(path): Path<CategoryPath>,
) -> Result<StatusCode, Problem> {
    let mut tx = db::begin(&app.pool).await?;
    account.require(&mut tx, Permission::EditCategories).await?;
    if !db::categories::delete(&mut tx, &storable(&path.slug)).await? {
        return Err(NoCategory.into());
    }
    let actor = Actor::Member(account.id);
    let entry = Entry { addr: Some(client.addr), ..Entry::new(actor, Action::CategoryDeleted, &path.slug, &path.slug) };
    db::audit::write(&mut tx, entry).await?;
    db::commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
