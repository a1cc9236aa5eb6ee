//! SQL for which kinds of notification a member wants, and where. Only what differs from the default has been stored by somebody.

use domain::UserId;
use domain::notification::{NotificationType, Reach};

use crate::Conn;
use crate::error::Result;

/// What a member chose, where they chose. Kinds this version does not know are left out.
pub async fn of(conn: &mut Conn, user: UserId) -> Result<Vec<(NotificationType, bool)>> {
    let rows =
        sqlx::query!("SELECT type AS kind, is_wanted FROM notification_choices WHERE user_id = $1", user.as_uuid())
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().filter_map(|row| Some((NotificationType::parse(&row.kind)?, row.is_wanted))).collect())
}

/// Stores choices, each kind at most once in the list.
pub async fn set(conn: &mut Conn, user: UserId, choices: &[(NotificationType, bool)]) -> Result<()> {
    let kinds: Vec<String> = choices.iter().map(|(kind, _)| kind.as_str().to_owned()).collect();
    let wanted: Vec<bool> = choices.iter().map(|(_, is_wanted)| *is_wanted).collect();
    sqlx::query!(
        r#"
        INSERT INTO notification_choices (user_id, type, is_wanted)
        SELECT $1, fresh.kind, fresh.is_wanted
          FROM unnest($2::text[], $3::bool[]) AS fresh (kind, is_wanted)
        ON CONFLICT (user_id, type) DO UPDATE SET is_wanted = EXCLUDED.is_wanted
        "#,
        user.as_uuid(),
        &kinds,
        &wanted,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One kind and one way to tell of it, and whether the member wants that.
pub type ReachChoice = (NotificationType, Reach, bool);

/// In which ways a member chose to be told, where they chose. What this version does not know is left out.
pub async fn reaches_of(conn: &mut Conn, user: UserId) -> Result<Vec<ReachChoice>> {
    let rows = sqlx::query!(
        "SELECT type AS kind, reach, is_wanted FROM notification_reaches WHERE user_id = $1",
        user.as_uuid()
    )
    .fetch_all(conn)
    .await?;
    let known = |kind: &str, reach: &str| Some((NotificationType::parse(kind)?, Reach::parse(reach)?));
    Ok(rows
        .into_iter()
        .filter_map(|row| known(&row.kind, &row.reach).map(|(kind, reach)| (kind, reach, row.is_wanted)))
        .collect())
}

/// Stores choices, each pair of kind and way at most once in the list.
pub async fn set_reaches(conn: &mut Conn, user: UserId, choices: &[ReachChoice]) -> Result<()> {
    let kinds: Vec<String> = choices.iter().map(|(kind, ..)| kind.as_str().to_owned()).collect();
    let reaches: Vec<String> = choices.iter().map(|(_, reach, _)| reach.as_str().to_owned()).collect();
    let wanted: Vec<bool> = choices.iter().map(|(.., is_wanted)| *is_wanted).collect();
    sqlx::query!(
        r#"
        INSERT INTO notification_reaches (user_id, type, reach, is_wanted)
        SELECT $1, fresh.kind, fresh.reach, fresh.is_wanted
          FROM unnest($2::text[], $3::text[], $4::bool[]) AS fresh (kind, reach, is_wanted)
        ON CONFLICT (user_id, type, reach) DO UPDATE SET is_wanted = EXCLUDED.is_wanted
        "#,
        user.as_uuid(),
        &kinds,
        &reaches,
        &wanted,
    )
    .execute(conn)
    .await?;
    Ok(())
}
