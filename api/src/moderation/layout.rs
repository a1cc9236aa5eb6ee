//! How a member likes the moderators' page.

use std::collections::BTreeMap;

use axum::extract::State;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::account::Account;
use crate::extract::{Fields, Json};
use crate::state::App;

const HIDDEN_MAX: usize = 32;
const SIZES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 128;

/// Which panels a member hides, and how large they make the others. The names are the page's.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModLayout {
    /// At most 32.
    hidden: Vec<String>,
    /// Of each group of panels, the share of each in percent; at most 64 groups, of 32 panels each.
    sizes: BTreeMap<String, BTreeMap<String, f64>>,
}

impl ModLayout {
    fn is_legal(&self) -> bool {
        let is_name = |name: &String| (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('\0');
        self.hidden.len() <= HIDDEN_MAX
            && self.hidden.iter().all(is_name)
            && self.sizes.len() <= SIZES_MAX
            && self.sizes.iter().all(|(group, panels)| {
                is_name(group)
                    && panels.len() <= HIDDEN_MAX
                    && panels.iter().all(|(panel, size)| is_name(panel) && (0.0..=100.0).contains(size))
            })
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct KeptLayout {
    /// Null: nothing was kept.
    layout: Option<ModLayout>,
}

/// How the caller likes the moderators' page.
#[utoipa::path(
    get,
    path = "/api/v1/me/mod-layout",
    operation_id = "mod_layout",
    responses(
        (status = 200, description = "What was kept last", body = KeptLayout),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn mod_layout(State(app): State<App>, account: Account) -> Result<Json<KeptLayout>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    let kept = db::moderation::layout(&mut conn, account.id).await?;
    // One an older page kept in another form counts as none.
    Ok(Json(KeptLayout { layout: kept.and_then(|kept| serde_json::from_value(kept).ok()) }))
}

/// Keeps how the caller likes the moderators' page, for all their browsers.
#[utoipa::path(
    put,
    path = "/api/v1/me/mod-layout",
    operation_id = "keep_mod_layout",
    request_body = ModLayout,
    responses(
        (status = 200, description = "It is kept", body = KeptLayout),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "moderation",
)]
pub(crate) async fn keep_mod_layout(
    State(app): State<App>,
    account: Account,
    Json(layout): Json<ModLayout>,
) -> Result<Json<KeptLayout>, Problem> {
    let kept = json!(layout);
    if !layout.is_legal() || kept.to_string().len() > 12_000 {
        let mut fields = Fields::default();
        fields.push("sizes", "has too much, or what cannot be a name or a share");
        fields.check()?;
    }
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    db::moderation::keep_layout(&mut conn, account.id, &kept).await?;
    Ok(Json(KeptLayout { layout: Some(layout) }))
}
