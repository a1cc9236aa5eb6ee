//! What the site's staff does: members suspended and readmitted, reports decided. Each is written to a log nobody can change.

pub(crate) mod audit;
pub(crate) mod members;
pub(crate) mod reports;

use domain::user::{Role, Username};
use domain::{Classify, Kind, UserId};
use kit::Problem;

use crate::account::Account;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("that is for the site's moderators and administrators")]
    NotStaff,
    #[error("you cannot act on somebody who stands level with you")]
    Outranked,
    #[error("they are suspended already")]
    Suspended,
    #[error("they are not suspended")]
    NotSuspended,
}

impl Classify for AdminError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotStaff | Self::Outranked => Kind::Forbidden,
            Self::Suspended | Self::NotSuspended => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotStaff => "auth.forbidden",
            Self::Outranked => "member.outranked",
            Self::Suspended => "member.suspended",
            Self::NotSuspended => "member.not-suspended",
        }
    }
}

/// Somebody of the staff who is about to act.
pub(crate) struct Staff {
    pub id: UserId,
    pub name: Username,
    pub role: Role,
}

/// Who asks, as they are now. An error unless they are of the site's staff.
pub(crate) async fn staff(conn: &mut db::Conn, account: &Account) -> Result<Staff, Problem> {
    let found = db::users::find(conn, account.id).await?.filter(|user| !user.is_suspended && user.role.is_staff());
    let found = found.ok_or(AdminError::NotStaff)?;
    Ok(Staff { id: found.id, name: found.username, role: found.role })
}
