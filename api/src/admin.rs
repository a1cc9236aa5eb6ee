//! What the site's staff does: members suspended and readmitted, reports decided. Each is written to a log nobody can change.

pub(crate) mod audit;
mod kept;
pub(crate) mod members;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod queues;
pub(crate) mod reports;
pub(crate) mod settings;
pub(crate) mod streams;

use domain::{Classify, Kind};

#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
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
            Self::Outranked => Kind::Forbidden,
            Self::Suspended | Self::NotSuspended => Kind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Outranked => "member.outranked",
            Self::Suspended => "member.suspended",
            Self::NotSuspended => "member.not-suspended",
        }
    }
}
