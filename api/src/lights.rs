//! What the site needs and whether it is there, as this room asks for it: the same checks as `rillcast doctor` makes. Whoever composes the
//! rooms brings them along.

use std::fmt;
use std::pin::Pin;

use serde::Serialize;
use utoipa::ToSchema;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LightState {
    Ok,
    /// The site works, and lacks something.
    Warn,
    Fail,
}

/// One thing the site needs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Light {
    /// Such as `postgres` or `scanner`.
    pub name: String,
    pub state: LightState,
    /// What was found.
    pub detail: String,
    /// What to do about it. Empty when there is nothing.
    pub hint: String,
}

/// Looks after all of them at once; each has a deadline.
pub trait Lights: Send + Sync + fmt::Debug {
    fn look(&self) -> Pin<Box<dyn Future<Output = Vec<Light>> + Send + '_>>;
}
