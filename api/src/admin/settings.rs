//! The settings of the node that answers, and where each comes from. They are changed in the file and the environment, not here.

use std::collections::BTreeMap;

use axum::extract::State;
use domain::Permission;
use kit::Problem;
use kit::config::Origin;
use kit::problem::ProblemBody;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType};

use crate::account::Account;
use crate::extract::Json;
use crate::state::App;

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SettingSource {
    Default,
    File,
    Environment,
    /// A flag of the command line, or the program itself, such as the address of a service it brings along.
    Program,
}

/// One setting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Setting {
    /// Such as `http.public_url`.
    key: String,
    /// Of a secret only whether there is one: `***` or nothing.
    #[schema(schema_with = anything)]
    value: Value,
    source: SettingSource,
    /// The variable that sets it.
    variable: Option<String>,
    /// Whether the environment or the command line has the last word: what the file says does not count.
    is_locked: bool,
    /// What it is for, in English.
    about: String,
}

/// A text, a number, a list: whatever the key takes.
fn anything() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Settings {
    items: Vec<Setting>,
    /// The node that answered; others may be set differently.
    node: String,
}

/// The settings of the node that answers. For administrators. They are changed in the file or the environment.
#[utoipa::path(
    get,
    path = "/api/v1/admin/settings",
    operation_id = "settings",
    responses(
        (status = 200, description = "All settings", body = Settings),
        (status = "4XX", description = "What went wrong", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "admin",
)]
pub(crate) async fn settings(State(app): State<App>, account: Account) -> Result<Json<Settings>, Problem> {
    {
        let mut conn = app.pool.acquire().await.map_err(db::DbError::from)?;
        account.require(&mut conn, Permission::SeeSite).await?;
    }
    let origins: &BTreeMap<String, Origin> = &app.config.origins;
    let items = app.config.settings().into_iter().map(|setting| {
        let (source, variable) = match origins.get(&setting.key) {
            Some(Origin::Variable(name)) => (SettingSource::Environment, Some(name.clone())),
            Some(Origin::File) => (SettingSource::File, None),
            Some(Origin::Flag) => (SettingSource::Program, None),
            None if setting.is_default => (SettingSource::Default, None),
            None => (SettingSource::Program, None),
        };
        Setting {
            is_locked: matches!(source, SettingSource::Environment | SettingSource::Program),
            key: setting.key,
            value: setting.value,
            source,
            variable,
            about: setting.about,
        }
    });
    Ok(Json(Settings { items: items.collect(), node: app.node.clone() }))
}
