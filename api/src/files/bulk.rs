//! Several files at once, and folders with all in them.

use std::collections::HashSet;

use axum::extract::State;
use db::audit::Entry;
use db::files::{Change, Changed};
use domain::FileId;
use domain::audit::{Action, Actor};
use domain::file::{FileError, Folder};
use http::StatusCode;
use kit::Problem;
use kit::problem::ProblemBody;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::shapes::{Bulk, BulkAction, BulkDone};
use super::tell;
use crate::account::{AccessError, Account};
use crate::extract::{Fields, Json};
use crate::net::Client;
use crate::state::App;

/// Files and folders of one request for several.
const BULK_MAX: usize = 500;
const BULK_FOLDERS_MAX: usize = 20;

/// Moves, throws away, has back or deletes several of the caller's files at once, or all in folders.
#[utoipa::path(
    post,
    path = "/api/v1/files/bulk",
    operation_id = "change_files",
    request_body = Bulk,
    responses(
        (status = 200, description = "What was done", body = BulkDone),
        (status = "4XX", description = "What went wrong: `file.name-taken` (of a folder that is moved), `.into-itself` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn change_files(
    State(app): State<App>,
    account: Account,
    client: Client,
    Json(body): Json<Bulk>,
) -> Result<Json<BulkDone>, Problem> {
    let mut fields = Fields::default();
    if body.ids.len() > BULK_MAX {
        fields.push("ids", "must be at most 500");
    }
    if body.folders.len() > BULK_FOLDERS_MAX {
        fields.push("folders", "must be at most 20");
    }
    let folders: Vec<Folder> = body.folders.iter().filter_map(|path| fields.take(Folder::parse(path))).collect();
    if folders.iter().any(|folder| folder.as_str() == "/") {
        fields.push("folders", "must not be the root");
    }
    if !folders.is_empty() && !matches!(body.action, BulkAction::Trash | BulkAction::Move) {
        fields.push("folders", "can be moved and thrown away only");
    }
    let to = body.path.as_deref().and_then(|path| fields.take(Folder::parse(path)));
    if body.action == BulkAction::Move && body.path.is_none() {
        fields.push("path", "is where to move to");
    }
    fields.check()?;
    let mut seen = HashSet::new();
    let ids: Vec<FileId> = body.ids.iter().filter(|id| seen.insert(**id)).map(|id| FileId::from_uuid(*id)).collect();
    let mut done = BulkDone { done: 0, name_taken: Vec::new() };
    let work = Work { app: &app, account: &account, client: &client };
    match (body.action, to) {
        (BulkAction::Trash, _) => done.done = work.trash(&ids, &folders).await?,
        (BulkAction::Erase, _) => done.done = work.erase(&ids).await?,
        (BulkAction::Restore, _) => work.each(&ids, None, &mut done).await?,
        (BulkAction::Move, Some(to)) => {
            work.each(&ids, Some(&to), &mut done).await?;
            for folder in &folders {
                work.move_folder(folder, &to).await?;
            }
        }
        (BulkAction::Move, None) => {}
    }
    tell(&app, account.id).await;
    Ok(Json(done))
}

struct Work<'a> {
    app: &'a App,
    account: &'a Account,
    client: &'a Client,
}

impl Work<'_> {
    async fn begin(&self) -> Result<db::Tx, Problem> {
        let mut tx = db::begin(&self.app.pool).await?;
        self.account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
        Ok(tx)
    }

    /// Writes one line for all: a folder may hold many thousands.
    async fn note(&self, conn: &mut db::Conn, action: Action, files: &[FileId]) -> Result<(), Problem> {
        let Some(first) = files.first() else { return Ok(()) };
        let mut entry = Entry::new(Actor::Member(self.account.id), action, first, "");
        entry.details = json!({ "files": files.len(), "ids": files.iter().take(50).collect::<Vec<_>>() });
        entry.addr = Some(self.client.addr);
        db::audit::write(conn, entry).await?;
        Ok(())
    }

    async fn trash(&self, ids: &[FileId], folders: &[Folder]) -> Result<usize, Problem> {
        let mut tx = self.begin().await?;
        let mut gone = db::files::trash(&mut tx, self.account.id, ids).await?;
        for folder in folders {
            gone.extend(db::files::trash_folder(&mut tx, self.account.id, folder).await?);
        }
        self.note(&mut tx, Action::FileTrashed, &gone).await?;
        db::commit(tx).await?;
        Ok(gone.len())
    }

    async fn erase(&self, ids: &[FileId]) -> Result<usize, Problem> {
        let mut tx = self.begin().await?;
        let gone = db::files::erase(&mut tx, self.account.id, ids).await?;
        let gone: Vec<FileId> = gone.into_iter().map(|(file, _)| file).collect();
        self.note(&mut tx, Action::FileErased, &gone).await?;
        db::commit(tx).await?;
        Ok(gone.len())
    }

    /// Moves each, or has each back: a name that is taken keeps only its own file where it is.
    async fn each(&self, ids: &[FileId], to: Option<&Folder>, done: &mut BulkDone) -> Result<(), Problem> {
        for id in ids {
            let mut tx = self.begin().await?;
            let change = Change { folder: to.map(Folder::as_str), ..Change::default() };
            let changed = match to {
                Some(_) => db::files::change(&mut tx, self.account.id, *id, &change).await?,
                None => db::files::restore(&mut tx, self.account.id, *id).await?,
            };
            match changed {
                Changed::Done => {
                    db::commit(tx).await?;
                    done.done += 1;
                }
                Changed::Absent => {}
                Changed::NameTaken => done.name_taken.push(id.as_uuid()),
            }
        }
        Ok(())
    }

    /// Moves a folder into another, under its own name.
    async fn move_folder(&self, folder: &Folder, to: &Folder) -> Result<(), Problem> {
        if folder.holds(to) {
            return Err(FileError::IntoItself.into());
        }
        let name = folder.as_str().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let to = Folder::parse(&format!("{}{name}/", to.as_str()))?;
        let mut tx = self.begin().await?;
        match db::files::move_folder(&mut tx, self.account.id, folder, &to).await? {
            Changed::Done => Ok(db::commit(tx).await?),
            Changed::Absent => Err(FileError::NotFound.into()),
            Changed::NameTaken => Err(FileError::NameTaken.into()),
        }
    }
}

/// Gives a folder another name, or another place: all in it goes along.
#[utoipa::path(
    post,
    path = "/api/v1/files/rename-folder",
    operation_id = "rename_folder",
    request_body = RenameFolder,
    responses(
        (status = 204, description = "It has the new name"),
        (status = "4XX", description = "What went wrong: `file.name-taken`, `.into-itself` among it", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
    tag = "files",
)]
pub(crate) async fn rename_folder(
    State(app): State<App>,
    account: Account,
    Json(body): Json<RenameFolder>,
) -> Result<StatusCode, Problem> {
    let mut fields = Fields::default();
    let from = fields.take(Folder::parse(&body.from));
    let to = fields.take(Folder::parse(&body.to));
    fields.check()?;
    let (Some(from), Some(to)) = (from, to) else { return Err(FileError::NotFound.into()) };
    if from.as_str() == "/" || from != to && from.holds(&to) {
        return Err(FileError::IntoItself.into());
    }
    let mut tx = db::begin(&app.pool).await?;
    account.role(&mut tx).await?.ok_or(AccessError::Suspended)?;
    match db::files::move_folder(&mut tx, account.id, &from, &to).await? {
        Changed::Done => db::commit(tx).await?,
        Changed::Absent => return Err(FileError::NotFound.into()),
        Changed::NameTaken => return Err(FileError::NameTaken.into()),
    }
    tell(&app, account.id).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameFolder {
    /// Such as `/a/`.
    from: String,
    /// Such as `/b/`.
    to: String,
}
