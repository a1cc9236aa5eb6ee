//! Which kinds of notification the caller wants, and where.

use std::collections::HashMap;

use axum::extract::State;
use db::notification_choices::ReachChoice;
use domain::notification::{Language, NotificationType, Reach};
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
    /// Cannot be turned off there.
    is_fixed: bool,
    /// In the browsers that subscribed. What is not in the list reaches nobody.
    push: bool,
    /// By mail, once the address is confirmed.
    mail: bool,
}

/// Whether and how the caller is written to.
#[derive(Serialize, ToSchema)]
pub(crate) struct MailState {
    /// Whether this site sends mail at all.
    is_offered: bool,
    address: String,
    /// Nothing but the question goes to an address before its owner has answered.
    is_confirmed: bool,
    /// `en` or `vi`.
    language: &'static str,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationSettings {
    types: Vec<NotificationChoice>,
    mail: MailState,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeNotificationChoice {
    r#type: String,
    in_app: Option<bool>,
    push: Option<bool>,
    mail: Option<bool>,
}

/// What is not mentioned stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateNotificationSettings {
    #[serde(default)]
    types: Vec<ChangeNotificationChoice>,
    /// The language of mails: `en` or `vi`.
    mail_language: Option<String>,
}

/// What is to be stored.
struct Change {
    choices: Vec<(NotificationType, bool)>,
    reaches: Vec<ReachChoice>,
    language: Option<Language>,
}

impl UpdateNotificationSettings {
    /// What is said twice ends as it was said last.
    fn parse(&self) -> Result<Change, Problem> {
        let mut fields = Fields::default();
        let (mut choices, mut reaches) = (HashMap::new(), HashMap::new());
        for change in &self.types {
            let Some(kind) = NotificationType::parse(&change.r#type) else {
                fields.push("types", "names a kind that is not there");
                continue;
            };
            if change.in_app == Some(false) && !kind.is_optional() {
                fields.push("types", "names a kind that cannot be turned off");
            }
            if let Some(is_wanted) = change.in_app {
                choices.insert(kind.as_str(), (kind, is_wanted));
            }
            for (reach, wish) in [(Reach::Push, change.push), (Reach::Mail, change.mail)] {
                if let Some(is_wanted) = wish {
                    reaches.insert((kind.as_str(), reach.as_str()), (kind, reach, is_wanted));
                }
            }
        }
        let language = self.mail_language.as_deref().and_then(Language::parse);
        if self.mail_language.is_some() && language.is_none() {
            fields.push("mail_language", "is not a language of ours");
        }
        fields.check()?;
        Ok(Change { choices: choices.into_values().collect(), reaches: reaches.into_values().collect(), language })
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
    view(&app, &mut conn, &account).await.map(Json)
}

/// Turns kinds on and off, in the list, in browsers and by mail. What is in the list already stays there.
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
    let change = body.parse()?;
    let mut tx = db::begin(&app.pool).await?;
    db::notification_choices::set(&mut tx, account.id, &change.choices).await?;
    db::notification_choices::set_reaches(&mut tx, account.id, &change.reaches).await?;
    if let Some(language) = change.language {
        db::mail::set_language(&mut tx, account.id, language).await?;
    }
    let settings = view(&app, &mut tx, &account).await?;
    db::commit(tx).await?;
    Ok(Json(settings))
}

async fn view(app: &App, conn: &mut db::Conn, account: &Account) -> Result<NotificationSettings, Problem> {
    let chosen = db::notification_choices::of(conn, account.id).await?;
    let reaches = db::notification_choices::reaches_of(conn, account.id).await?;
    let mail = db::mail::settings(conn, account.id).await?.ok_or_else(Problem::not_found)?;
    let reaches_by = |kind: NotificationType, reach: Reach| {
        let choice = reaches.iter().find(|choice| (choice.0, choice.1) == (kind, reach));
        choice.map_or(kind.reaches_by_default(reach), |choice| choice.2)
    };
    let types = NotificationType::ALL
        .into_iter()
        .map(|kind| {
            let choice = chosen.iter().find(|(chosen, _)| *chosen == kind).map(|(_, is_wanted)| *is_wanted);
            NotificationChoice {
                r#type: kind.as_str(),
                in_app: !kind.is_optional() || choice.unwrap_or(true),
                is_fixed: !kind.is_optional(),
                push: reaches_by(kind, Reach::Push),
                mail: reaches_by(kind, Reach::Mail),
            }
        })
        .collect();
    let mail = MailState {
        is_offered: !app.config.mail.url.is_empty(),
        address: mail.address,
        is_confirmed: mail.is_confirmed,
        language: mail.language.as_str(),
    };
    Ok(NotificationSettings { types, mail })
}
