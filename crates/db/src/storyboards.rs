//! SQL for the small pictures along recordings. Every statement that writes `vod_sheets` but the purge lives here.

use domain::VodId;

use crate::Conn;
use crate::error::Result;

/// Sheets of one recording that are read. A recording of a day has about a hundred.
const SHEETS_MAX: i64 = 2_000;

/// Pictures one below the other in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The first picture's segment: the object's name follows from it.
    pub seq: i64,
    /// Of each picture, in pixels.
    pub tile_width: i32,
    pub tile_height: i32,
    /// Rows from one picture to the next.
    pub tile_step: i32,
    /// Each picture's segment.
    pub seqs: Vec<i64>,
    /// From the segment's beginning to the picture.
    pub offsets_ms: Vec<i32>,
    pub byte_size: i64,
}

/// Notes a sheet that the bucket has, and its bytes with the recording's. One that is known already, or whose recording is
/// gone, is passed over.
pub async fn insert(conn: &mut Conn, vod_id: VodId, sheet: &Sheet) -> Result<()> {
    sqlx::query!(
        r#"
        WITH noted AS (
            INSERT INTO vod_sheets (vod_id, seq, tile_width, tile_height, tile_step, seqs, offsets_ms, byte_size)
            SELECT vod_id, $2, $3, $4, $5, $6, $7, $8
              FROM vods
             WHERE vod_id = $1 AND deleted_at IS NULL
            ON CONFLICT DO NOTHING
            RETURNING vod_id, byte_size
        )
        UPDATE vods v SET byte_size = v.byte_size + noted.byte_size
          FROM noted
         WHERE v.vod_id = noted.vod_id
        "#,
        vod_id.as_uuid(),
        sheet.seq,
        sheet.tile_width,
        sheet.tile_height,
        sheet.tile_step,
        &sheet.seqs,
        &sheet.offsets_ms,
        sheet.byte_size,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A recording's sheets in the order of the stream.
pub async fn of(conn: &mut Conn, vod_id: VodId) -> Result<Vec<Sheet>> {
    Ok(sqlx::query_as!(
        Sheet,
        r#"
        SELECT seq, tile_width, tile_height, tile_step, seqs, offsets_ms, byte_size
          FROM vod_sheets
         WHERE vod_id = $1
         ORDER BY seq
         LIMIT $2
        "#,
        vod_id.as_uuid(),
        SHEETS_MAX,
    )
    .fetch_all(conn)
    .await?)
}
