//! Where addresses are.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Places of addresses, as members see them beside their sign-ins. Nothing is asked of anybody else for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeoipConfig {
    /// A database of cities or countries in MaxMind's format (`.mmdb`), such as GeoLite2 City or DB-IP City Lite. It is read into memory when the site starts. Empty: addresses have no places.
    pub database: PathBuf,
}

impl GeoipConfig {
    /// The database, if there is one.
    pub fn path(&self) -> Option<&std::path::Path> {
        Some(self.database.as_path()).filter(|path| !path.as_os_str().is_empty())
    }
}
