//! Which kinds of notification the caller wants.

use std::collections::HashMap;

use axum::extract::State;
use domain::notification::NotificationType;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::Account;
use crate::extract::{Fields, Json};
use crate::state::App;

/// One kind and where the caller hears of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationChoice {
    /// As in a notification: `stream_online`, `vod_ready`, `new_follower`; later features add more.
    r#type: &'static str,
    /// In the list, and on open pages.
    in_app: bool,
    /// Cannot be turned off.
    is_fixed: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationSettings {
    types: Vec<NotificationChoice>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeNotificationChoice {
    r#type: String,
    in_app: bool,
}

/// Kinds that are not mentioned stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateNotificationSettings {
    types: Vec<ChangeNotificationChoice>,
}

impl UpdateNotificationSettings {
    /// What is said twice ends as it was said last.
    fn parse(&self) -> Result<Vec<(NotificationType, bool)>, Problem> {
        let mut fields = Fields::default();
        let mut choices = HashMap::new();
        for change in &self.types {
            match NotificationType::parse(&change.r#type) {
                None => fields.push("types", "names a kind that is not there"),
                Some(kind) if !kind.is_optional() && !change.in_app => {
                    fields.push("types", "names a kind that cannot be turned off");
                }
                Some(kind) => {
                    choices.insert(kind.as_str(), (kind, change.in_app));
                }
            }
        }
        fields.check()?;
        Ok(choices.into_values().collect())
    }
}

/// Which kinds of notification the caller wants.
#[utoipa::path(
    get,
    path = "/api/v1/me/notification-settings",
    operation_id = "notification_settings",
    responses(
        (status = 200, description = "Every kind there is", body = NotificationSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn notification_settings(
    State(app): State<App>,
    account: Account,
) -> Result<Json<NotificationSettings>, Problem> {
    let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
    view(&mut conn, &account).await.map(Json)
}

/// Turns kinds on and off. What is in the list already stays there.
#[utoipa::path(
    patch,
    path = "/api/v1/me/notification-settings",
    operation_id = "update_notification_settings",
    request_body = UpdateNotificationSettings,
    responses(
        (status = 200, description = "Every kind there is, as changed", body = NotificationSettings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "notifications",
)]
pub(crate) async fn update_notification_settings(
    State(app): State<App>,
    account: Account,
    Json(body): Json<UpdateNotificationSettings>,
) -> Result<Json<NotificationSettings>, Problem> {
    let choices = body.parse()?;
    let mut tx = db::begin(&app.pool).await?;
    db::notification_choices::set(&mut tx, account.id, &choices).await?;
    let settings = view(&mut tx, &account).await?;
    db::commit(tx).await?;
    Ok(Json(settings))
}

async fn view(conn: &mut db::Conn, account: &Account) -> Result<NotificationSettings, Problem> {
    let chosen = db::notification_choices::of(conn, account.id).await?;
    let types = NotificationType::ALL
        .into_iter()
        .map(|kind| {
            let choice = chosen.iter().find(|(chosen, _)| *chosen == kind).map(|(_, is_wanted)| *is_wanted);
            NotificationChoice {
                r#type: kind.as_str(),
                in_app: !kind.is_optional() || choice.unwrap_or(true),
                is_fixed: !kind.is_optional(),
            }
        })
        .collect();
    Ok(NotificationSettings { types })
}
