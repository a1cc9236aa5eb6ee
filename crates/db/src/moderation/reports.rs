//! SQL for what members report: one open case for each thing, and everybody's voice in it once.

use domain::order::{ReportDesk, ReportKind, ReportReason, ReportState};
use domain::{Timestamp, UserId};
use uuid::Uuid;

use crate::Conn;
use crate::error::{DbError, Result};

/// Notes shown of a case, the latest.
const NOTES_SHOWN: i64 = 10;
/// Names of reporters shown of a case, the latest.
const REPORTERS_SHOWN: i64 = 20;

/// A member's report.
#[derive(Debug, Clone)]
pub struct NewReport<'a> {
    pub kind: ReportKind,
    pub thing: Uuid,
    pub channel: Option<UserId>,
    pub accused: UserId,
    pub accused_name: &'a str,
    pub excerpt: &'a str,
    pub said_at: Option<Timestamp>,
    pub desk: ReportDesk,
    pub reporter: UserId,
    pub reason: ReportReason,
    pub note: &'a str,
}

/// What is reported, by one or many.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: Uuid,
    pub kind: ReportKind,
    pub thing: Uuid,
    /// The name of the channel it is about, if it is about one.
    pub channel: Option<String>,
    pub accused: UserId,
    pub accused_name: String,
    pub excerpt: String,
    pub said_at: Option<Timestamp>,
    pub desk: ReportDesk,
    pub state: ReportState,
    pub voices: i32,
    /// Each once.
    pub reasons: Vec<String>,
    /// The latest first, and only those that say something.
    pub notes: Vec<String>,
    /// The latest first.
    pub reporters: Vec<String>,
    pub opened_at: Timestamp,
    pub escalated_by: Option<String>,
    pub decided_by: Option<String>,
    pub decided_at: Option<Timestamp>,
    pub answer: String,
}

/// Whose cases.
#[derive(Debug, Clone, Copy)]
pub enum Queue {
    Channel(UserId),
    Site,
}

struct Row {
    case_id: Uuid,
    kind: String,
    thing_id: Uuid,
    channel: Option<String>,
    accused_id: Uuid,
    accused: String,
    excerpt: String,
    said_at: Option<Timestamp>,
    desk: String,
    state: String,
    voices: i32,
    reasons: Vec<String>,
    notes: Vec<String>,
    reporters: Vec<String>,
    opened_at: Timestamp,
    escalated_by: Option<String>,
    decided_by: Option<String>,
    decided_at: Option<Timestamp>,
    answer: String,
}

impl TryFrom<Row> for Case {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self> {
        let corrupt = || DbError::Corrupt { what: "report" };
        Ok(Self {
            id: row.case_id,
            kind: ReportKind::parse(&row.kind).ok_or_else(corrupt)?,
            thing: row.thing_id,
            channel: row.channel,
            accused: UserId::from_uuid(row.accused_id),
            accused_name: row.accused,
            excerpt: row.excerpt,
            said_at: row.said_at,
            desk: ReportDesk::parse(&row.desk).ok_or_else(corrupt)?,
            state: ReportState::parse(&row.state).ok_or_else(corrupt)?,
            voices: row.voices,
            reasons: row.reasons,
            notes: row.notes,
            reporters: row.reporters,
            opened_at: row.opened_at,
            escalated_by: row.escalated_by,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            answer: row.answer,
        })
    }
}

/// Adds a member's voice to the open case of a thing, or opens one. `None`: their voice is in it, and the caller rolls back.
pub async fn report(conn: &mut Conn, new: &NewReport<'_>) -> Result<Option<Uuid>> {
    let case = sqlx::query_scalar!(
        r#"
        INSERT INTO report_cases (case_id, kind, thing_id, channel_id, accused_id, accused, excerpt, said_at, desk)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (kind, thing_id) WHERE state = 'open' DO UPDATE SET voices = report_cases.voices + 1
        RETURNING case_id
        "#,
        kit::ids::uuid(),
        new.kind.as_str(),
        new.thing,
        new.channel.map(UserId::as_uuid),
        new.accused.as_uuid(),
        new.accused_name,
        new.excerpt,
        new.said_at,
        new.desk.as_str(),
    )
    .fetch_one(&mut *conn)
    .await?;
    let voice = sqlx::query!(
        r#"
        INSERT INTO report_voices (case_id, reporter_id, reason, note) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        "#,
        case,
        new.reporter.as_uuid(),
        new.reason.as_str(),
        new.note,
    )
    .execute(conn)
    .await?;
    Ok((voice.rows_affected() == 1).then_some(case))
}

pub async fn case(conn: &mut Conn, id: Uuid) -> Result<Option<Case>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT c.case_id, c.kind, c.thing_id, o.username AS "channel?", c.accused_id, c.accused, c.excerpt, c.said_at, c.desk,
               c.state, c.voices, c.opened_at, c.escalated_by, c.decided_by, c.decided_at, c.answer,
               ARRAY(SELECT DISTINCT v.reason FROM report_voices v WHERE v.case_id = c.case_id) AS "reasons!",
               ARRAY(SELECT v.note FROM report_voices v WHERE v.case_id = c.case_id AND v.note <> ''
                      ORDER BY v.reported_at DESC LIMIT $2) AS "notes!",
               ARRAY(SELECT r.username FROM report_voices v JOIN users r ON r.user_id = v.reporter_id
                      WHERE v.case_id = c.case_id ORDER BY v.reported_at DESC LIMIT $3) AS "reporters!"
          FROM report_cases c
          LEFT JOIN users o ON o.user_id = c.channel_id
         WHERE c.case_id = $1
        "#,
        id,
        NOTES_SHOWN,
        REPORTERS_SHOWN,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Case::try_from).transpose()
}

/// Cases in a queue, the latest first.
pub async fn cases(
    conn: &mut Conn,
    queue: Queue,
    state: ReportState,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Case>> {
    let rows = match queue {
        Queue::Channel(channel) => {
            sqlx::query_as!(
                Row,
                r#"
                SELECT c.case_id, c.kind, c.thing_id, o.username AS "channel?", c.accused_id, c.accused, c.excerpt, c.said_at,
                       c.desk, c.state, c.voices, c.opened_at, c.escalated_by, c.decided_by, c.decided_at, c.answer,
                       ARRAY(SELECT DISTINCT v.reason FROM report_voices v WHERE v.case_id = c.case_id) AS "reasons!",
                       ARRAY(SELECT v.note FROM report_voices v WHERE v.case_id = c.case_id AND v.note <> ''
                              ORDER BY v.reported_at DESC LIMIT $5) AS "notes!",
                       ARRAY(SELECT r.username FROM report_voices v JOIN users r ON r.user_id = v.reporter_id
                              WHERE v.case_id = c.case_id ORDER BY v.reported_at DESC LIMIT $6) AS "reporters!"
                  FROM report_cases c
                  LEFT JOIN users o ON o.user_id = c.channel_id
                 WHERE c.desk = 'channel' AND c.channel_id = $1 AND c.state = $2 AND ($3::uuid IS NULL OR c.case_id < $3)
                 ORDER BY c.case_id DESC
                 LIMIT $4
                "#,
                channel.as_uuid(),
                state.as_str(),
                before,
                limit,
                NOTES_SHOWN,
                REPORTERS_SHOWN,
            )
            .fetch_all(conn)
            .await?
        }
        Queue::Site => {
            sqlx::query_as!(
                Row,
                r#"
                SELECT c.case_id, c.kind, c.thing_id, o.username AS "channel?", c.accused_id, c.accused, c.excerpt, c.said_at,
                       c.desk, c.state, c.voices, c.opened_at, c.escalated_by, c.decided_by, c.decided_at, c.answer,
                       ARRAY(SELECT DISTINCT v.reason FROM report_voices v WHERE v.case_id = c.case_id) AS "reasons!",
                       ARRAY(SELECT v.note FROM report_voices v WHERE v.case_id = c.case_id AND v.note <> ''
                              ORDER BY v.reported_at DESC LIMIT $4) AS "notes!",
                       ARRAY(SELECT r.username FROM report_voices v JOIN users r ON r.user_id = v.reporter_id
                              WHERE v.case_id = c.case_id ORDER BY v.reported_at DESC LIMIT $5) AS "reporters!"
                  FROM report_cases c
                  LEFT JOIN users o ON o.user_id = c.channel_id
                 WHERE c.desk = 'site' AND c.state = $1 AND ($2::uuid IS NULL OR c.case_id < $2)
                 ORDER BY c.case_id DESC
                 LIMIT $3
                "#,
                state.as_str(),
                before,
                limit,
                NOTES_SHOWN,
                REPORTERS_SHOWN,
            )
            .fetch_all(conn)
            .await?
        }
    };
    rows.into_iter().map(Case::try_from).collect()
}

/// Closes an open case of a queue. False: it is not there, or somebody was faster.
pub async fn decide(
    conn: &mut Conn,
    queue: Queue,
    id: Uuid,
    state: ReportState,
    (by, answer): (&str, &str),
) -> Result<bool> {
    let (channel, desk) = place(queue);
    let done = sqlx::query!(
        r#"
        UPDATE report_cases
           SET state = $4, decided_by = $5, decided_at = now(), answer = $6
         WHERE case_id = $1 AND desk = $2 AND ($3::uuid IS NULL OR channel_id = $3) AND state = 'open'
        "#,
        id,
        desk.as_str(),
        channel,
        state.as_str(),
        by,
        answer,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Hands an open case of a channel to the site's staff. False: it is not there, or somebody was faster.
pub async fn escalate(conn: &mut Conn, channel: UserId, id: Uuid, by: &str) -> Result<bool> {
    let done = sqlx::query!(
        r#"
        UPDATE report_cases
           SET desk = 'site', escalated_by = $3
         WHERE case_id = $1 AND channel_id = $2 AND desk = 'channel' AND state = 'open'
        "#,
        id,
        channel.as_uuid(),
        by,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn place(queue: Queue) -> (Option<Uuid>, ReportDesk) {
    match queue {
        Queue::Channel(channel) => (Some(channel.as_uuid()), ReportDesk::Channel),
        Queue::Site => (None, ReportDesk::Site),
    }
}
