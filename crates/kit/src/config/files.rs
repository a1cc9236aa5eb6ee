//! Members' files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What members keep, share, and make recordings of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilesConfig {
    /// Largest file, in MiB.
    pub file_mib_max: u32,
    /// Largest file that is sent as one form, in MiB: 1 to 100. Larger ones come in parts.
    pub form_mib_max: u32,
    /// Room one member's files may take, in MiB, uploads under way included. 0: no limit.
    pub quota_mib: u32,
    /// Days that what was thrown away can be had back.
    pub trash_days: u32,
    /// Takes any file although the site has no virus scanner. Without one, only pictures and videos are taken: of these nothing is served but what we make of them.
    pub unscanned: bool,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { file_mib_max: 10_240, form_mib_max: 16, quota_mib: 10_240, trash_days: 30, unscanned: false }
    }
}

impl FilesConfig {
    /// Most bytes of one file.
    pub fn bytes_max(&self) -> u64 {
        u64::from(self.file_mib_max) << 20
    }

    /// Most bytes of a file that is sent as one form.
    pub fn form_bytes_max(&self) -> u64 {
        u64::from(self.form_mib_max) << 20
    }

    /// The room of one member in bytes, as the database counts; 0: no limit.
    pub fn quota_bytes(&self) -> i64 {
        i64::from(self.quota_mib) << 20
    }
}
