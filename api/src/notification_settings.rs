//! Which kinds of notification the caller wants, and where.

use std::collections::HashMap;

use axum::extract::State;
use db::notification_choices::ReachChoice;
use db::notification_times::Times;
use domain::notification::{Language, NotificationType, Reach};
use domain::quiet::{Digest, Every, QuietHours, ZoneName};
use kit::Problem;
use kit::problem::ProblemBody;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::account::Account;
use crate::extract::{Fields, Json, mentioned};
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
    digest: MailDigest,
}

/// When the caller is left alone: nothing is sent to browsers or by mail. What falls in comes afterwards, unless it is over.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietSpan {
    /// As `22:30`, by the clock of the caller's time zone.
    #[schema(example = "22:30")]
    from: String,
    /// An earlier time than `from` is on the next day.
    #[schema(example = "07:00")]
    to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DigestEvery {
    Off,
    Daily,
    Weekly,
}

/// Mail that is collected: all of a day or a week is one letter.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailDigest {
    every: DigestEvery,
    /// 0 to 23, by the clock of the caller's time zone.
    #[schema(minimum = 0, maximum = 23)]
    hour: u8,
    /// 1, Monday, to 7. Of a weekly one.
    #[schema(minimum = 1, maximum = 7)]
    day: u8,
}

impl From<Digest> for MailDigest {
    fn from(digest: Digest) -> Self {
        let every = match digest.every {
            Every::Off => DigestEvery::Off,
            Every::Daily => DigestEvery::Daily,
            Every::Weekly => DigestEvery::Weekly,
        };
        Self { every, hour: digest.hour, day: digest.day }
    }
}

impl From<&MailDigest> for Digest {
    fn from(digest: &MailDigest) -> Self {
        let every = match digest.every {
            DigestEvery::Off => Every::Off,
            DigestEvery::Daily => Every::Daily,
            DigestEvery::Weekly => Every::Weekly,
        };
        Self { every, hour: digest.hour, day: digest.day }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationSettings {
    types: Vec<NotificationChoice>,
    mail: MailState,
    /// Its name in the IANA database.
    #[schema(example = "Asia/Ho_Chi_Minh")]
    time_zone: String,
    quiet_hours: Option<QuietSpan>,
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
    mail_digest: Option<MailDigest>,
    time_zone: Option<String>,
    /// `null`: none.
    #[serde(default, deserialize_with = "mentioned")]
    #[schema(value_type = Option<QuietSpan>)]
    quiet_hours: Option<Option<QuietSpan>>,
}

/// What is to be stored.
struct Change {
    choices: Vec<(NotificationType, bool)>,
    reaches: Vec<ReachChoice>,
    language: Option<Language>,
    digest: Option<Digest>,
    zone: Option<ZoneName>,
    quiet: Option<Option<QuietHours>>,
}

impl Change {
    /// The caller's times as changed. `None`: nothing is said of them.
    fn times(&self, before: Times) -> Option<Times> {
        if self.digest.is_none() && self.zone.is_none() && self.quiet.is_none() {
            return None;
        }
        Some(Times {
            time_zone: self.zone.as_ref().map_or(before.time_zone, |zone| zone.as_str().to_owned()),
            quiet: self.quiet.unwrap_or(before.quiet),
            digest: self.digest.unwrap_or(before.digest),
        })
    }
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
        let digest = self.mail_digest.as_ref().and_then(|digest| fields.take(Digest::from(digest).check()));
        let zone = self.time_zone.as_deref().and_then(|zone| fields.take(ZoneName::parse(zone)));
        let quiet = self
            .quiet_hours
            .as_ref()
            .map(|quiet| quiet.as_ref().and_then(|quiet| fields.take(QuietHours::parse(&quiet.from, &quiet.to))));
        fields.check()?;
        let (choices, reaches) = (choices.into_values().collect(), reaches.into_values().collect());
        Ok(Change { choices, reaches, language, digest, zone, quiet })
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

/// Turns kinds on and off, in the list, in browsers and by mail, and says when browsers and mail are left alone. What is in the list already
/// stays there; what waits already waits as the new times say.
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
    if let Some(zone) = &change.zone
        && !db::notification_times::is_zone(&mut tx, zone).await?
    {
        return Err(ZoneName::unknown().into());
    }
    if let Some(times) = change.times(db::notification_times::of(&mut tx, account.id).await?) {
        db::notification_times::set(&mut tx, account.id, &times).await?;
    }
    let settings = view(&app, &mut tx, &account).await?;
    db::commit(tx).await?;
    Ok(Json(settings))
}

async fn view(app: &App, conn: &mut db::Conn, account: &Account) -> Result<NotificationSettings, Problem> {
    let chosen = db::notification_choices::of(conn, account.id).await?;
    let reaches = db::notification_choices::reaches_of(conn, account.id).await?;
    let times = db::notification_times::of(conn, account.id).await?;
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
        digest: times.digest.into(),
    };
    let quiet_hours = times.quiet.map(|quiet| {
        let (from, to) = quiet.texts();
        QuietSpan { from, to }
    });
    Ok(NotificationSettings { types, mail, time_zone: times.time_zone, quiet_hours })
}
