//! Listing: what lies below a prefix, a page at a time.

use aws_sdk_s3::types::{CommonPrefix, Object as Listed};

use crate::error::{ObjectsError, Result};
use crate::read::seconds;
use crate::store::Objects;

/// One object, as a listing names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub bytes: u64,
    /// Seconds since 1970.
    pub modified_s: Option<i64>,
}

/// At most a thousand entries or folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Prefixes one level down, each with its slash. Only when folders were asked for.
    pub folders: Vec<String>,
    /// Where the next page begins; the store's own words.
    pub next: Option<String>,
}

impl Objects {
    /// The objects below a prefix.
    pub async fn list(&self, prefix: &str, from: Option<String>) -> Result<Page> {
        self.page(prefix, None, from).await
    }

    /// The folders right below a prefix, which ends with a slash.
    pub async fn folders(&self, prefix: &str, from: Option<String>) -> Result<Page> {
        self.page(prefix, Some("/".to_owned()), from).await
    }

    async fn page(&self, prefix: &str, delimiter: Option<String>, from: Option<String>) -> Result<Page> {
        let got = self
            .client
            .list_objects_v2()
            .bucket(&*self.bucket)
            .prefix(prefix)
            .set_delimiter(delimiter)
            .set_continuation_token(from)
            .send()
            .await
            .map_err(|error| ObjectsError::sort("list", prefix, error))?;
        let entry = |listed: &Listed| {
            Some(Entry {
                key: listed.key()?.to_owned(),
                bytes: u64::try_from(listed.size().unwrap_or(0)).unwrap_or(0),
                modified_s: seconds(listed.last_modified()),
            })
        };
        Ok(Page {
            entries: got.contents().iter().filter_map(entry).collect(),
            folders: got.common_prefixes().iter().filter_map(CommonPrefix::prefix).map(str::to_owned).collect(),
            next: got.next_continuation_token().filter(|_| got.is_truncated() == Some(true)).map(str::to_owned),
        })
    }
}
