//! Pictures and files in messages, and who looks at them first.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pictures and files that members send each other in conversations.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttachmentsConfig {
    /// Largest picture or file, in MiB: 1 to 100. Not more than clamd's own `StreamMaxLength`, where there is a scanner.
    pub file_mib_max: u32,
    /// Room one member's pictures and files may take, in MiB. 0: no limit.
    pub quota_mib: u32,
}

impl Default for AttachmentsConfig {
    fn default() -> Self {
        Self { file_mib_max: 10, quota_mib: 1_024 }
    }
}

impl AttachmentsConfig {
    /// Most bytes of one file.
    pub fn bytes_max(&self) -> u64 {
        u64::from(self.file_mib_max) << 20
    }

    /// The room of one member in bytes, as the database counts; 0: no limit.
    pub fn quota_bytes(&self) -> i64 {
        i64::from(self.quota_mib) << 20
    }
}

/// The virus scanner.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScanConfig {
    /// ClamAV's daemon, as `tcp://127.0.0.1:3310` or `unix:///run/clamav/clamd.ctl`. What members send is shown once it says that it is clean. Empty: only pictures are taken, of which nothing is kept but our own encoding. Set `AlertExceedsMax yes` in clamd.conf: else it calls what is too large for it clean.
    pub clamd: String,
    /// What the scanner takes at most, in MiB: clamd's `StreamMaxLength`. Of what is larger nothing is served but a video, as we repackage it.
    pub stream_mib_max: u32,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self { clamd: String::new(), stream_mib_max: 100 }
    }
}

/// Where clamd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clamd {
    Tcp(String),
    Unix(PathBuf),
}

impl ScanConfig {
    /// Most bytes of what is scanned.
    pub fn bytes_max(&self) -> u64 {
        u64::from(self.stream_mib_max) << 20
    }

    /// Where the scanner is, if there is one. An address that is none was refused when the configuration was checked.
    pub fn address(&self) -> Option<Clamd> {
        if let Some(path) = self.clamd.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Clamd::Unix(PathBuf::from(path)));
        }
        let place = self.clamd.strip_prefix("tcp://")?;
        let (host, port) = place.rsplit_once(':')?;
        let is_place = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
        is_place.then(|| Clamd::Tcp(place.to_owned()))
    }
}
