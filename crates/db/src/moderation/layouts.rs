//! SQL for how members like the moderators' page.

use domain::UserId;
use serde_json::Value;

use crate::Conn;
use crate::error::Result;

pub async fn layout(conn: &mut Conn, user: UserId) -> Result<Option<Value>> {
    Ok(sqlx::query_scalar!("SELECT layout FROM mod_layouts WHERE user_id = $1", user.as_uuid())
        .fetch_optional(conn)
        .await?)
}

pub async fn keep_layout(conn: &mut Conn, user: UserId, layout: &Value) -> Result<()> {
    sqlx::query!(
        r#"
        INSERT INTO mod_layouts (user_id, layout) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET layout = EXCLUDED.layout, updated_at = now()
        "#,
        user.as_uuid(),
        layout,
    )
    .execute(conn)
    .await?;
    Ok(())
}
