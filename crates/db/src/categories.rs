//! SQL for categories: a short, curated list.

use crate::Conn;
use crate::error::Result;

/// What the constraints of other tables call a category that is not there.
pub const CATEGORY_FOREIGN_KEYS: [&str; 3] =
    ["channels_category_slug_fkey", "streams_category_slug_fkey", "vods_category_slug_fkey"];

/// Longest list that is ever returned at once.
pub const LIST_MAX: i64 = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    pub slug: String,
    pub name: String,
    pub description: String,
    pub thumbnail_key: Option<String>,
    pub tags: Vec<String>,
    pub position: i32,
}

/// A page in the editors' order, after (position, slug).
pub async fn list(conn: &mut Conn, after: Option<(i32, &str)>, limit: i64) -> Result<Vec<Category>> {
    let (position, slug) = after.unzip();
    Ok(sqlx::query_as!(
        Category,
        r#"
        SELECT slug, name, description, thumbnail_key, tags, position
          FROM categories
         WHERE $1::int IS NULL OR (position, slug) > ($1, $2)
         ORDER BY position, slug
         LIMIT $3
        "#,
        position,
        slug,
        limit,
    )
    .fetch_all(conn)
    .await?)
}

/// Creates or replaces.
pub async fn put(conn: &mut Conn, new: &Category) -> Result<Category> {
    Ok(sqlx::query_as!(
        Category,
        r#"
        INSERT INTO categories (slug, name, description, tags, position)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (slug) DO UPDATE
           SET name = EXCLUDED.name, description = EXCLUDED.description,
               tags = EXCLUDED.tags, position = EXCLUDED.position
        RETURNING slug, name, description, thumbnail_key, tags, position
        "#,
        new.slug,
        new.name,
        new.description,
        &new.tags,
        new.position,
    )
    .fetch_one(conn)
    .await?)
}

/// Removes; what was in it has no category afterwards. False when it was not there.
pub async fn delete(conn: &mut Conn, slug: &str) -> Result<bool> {
    let done = sqlx::query!("DELETE FROM categories WHERE slug = $1", slug).execute(conn).await?;
    Ok(done.rows_affected() == 1)
}
