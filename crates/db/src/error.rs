//! What can go wrong between us and Postgres.

use domain::{Classify, Kind};

pub type Result<T, E = DbError> = std::result::Result<T, E>;

/// A failed statement, sorted by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Postgres is away, restarting or saturated. Trying again later makes sense.
    #[error("the database did not answer")]
    Unavailable(#[source] sqlx::Error),
    /// A unique or foreign key said no. `constraint` names it.
    #[error("the database refused: {constraint}")]
    Constraint {
        constraint: String,
        #[source]
        source: sqlx::Error,
    },
    /// A stored value is not one the code knows.
    #[error("a stored {what} is not understood")]
    Corrupt { what: &'static str },
    #[error("a database statement failed")]
    Failed(#[source] sqlx::Error),
}

impl DbError {
    /// What a caller says that has waited long enough.
    pub fn timed_out() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }

    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The name of the violated constraint, if that is what happened.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { constraint, .. } => Some(constraint),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let gone = match &error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Protocol(_) => true,
            E::Database(database) => {
                if let Some(constraint) = database.constraint() {
                    return Self::Constraint { constraint: constraint.to_owned(), source: error };
                }
                // 08: connection; 53: out of resources; 57P0x: shutting down or starting; 40001/40P01: serialization.
                database.code().is_some_and(|code| {
                    code.starts_with("08")
                        || code.starts_with("53")
                        || code.starts_with("57P0")
                        || code == "40001"
                        || code == "40P01"
                })
            }
            _ => false,
        };
        if gone { Self::Unavailable(error) } else { Self::Failed(error) }
    }
}

impl Classify for DbError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Constraint { .. } => Kind::Conflict,
            Self::Corrupt { .. } | Self::Failed(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "database.unavailable",
            Self::Constraint { .. } => "database.conflict",
            Self::Corrupt { .. } | Self::Failed(_) => "internal",
        }
    }
}
