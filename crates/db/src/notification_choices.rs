//! SQL for which kinds of notification a member wants. Only what differs from the default has been stored by somebody.

use domain::UserId;
use domain::notification::NotificationType;

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
