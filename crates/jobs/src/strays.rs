//! Objects in the bucket that no row knows of: left where a row went with its account, or while work on it was going on.

use std::time::Duration;

use crate::Deps;
use crate::storage::is_older;

/// A kind of thing that lies in a folder of its own, a few objects each.
pub(crate) struct Strays<Id> {
    /// The folder of all of them.
    pub folder: &'static str,
    pub of_folder: fn(&str) -> Option<Id>,
    pub prefix: fn(Id) -> String,
}

impl<Id: Copy> Strays<Id> {
    /// Deletes the objects of those that `unknown` finds no row for, once all of one's are older than `age`. Returns how many went.
    pub(crate) async fn sweep(
        &self,
        deps: &Deps,
        age: Duration,
        unknown: impl AsyncFn(&mut db::Conn, &[Id]) -> db::error::Result<Vec<Id>>,
    ) -> anyhow::Result<u64> {
        let (mut gone, mut next) = (0, None);
        let now_s = i64::try_from(kit::clock::unix_seconds()).unwrap_or(i64::MAX);
        loop {
            let page = deps.objects.folders(self.folder, next).await?;
            let ids: Vec<Id> = page.folders.iter().filter_map(|folder| (self.of_folder)(folder)).collect();
            let mut conn = deps.pool.acquire().await?;
            let strays = unknown(&mut conn, &ids).await?;
            drop(conn);
            for id in strays {
                let prefix = (self.prefix)(id);
                // Never more than three objects: one page.
                let there = deps.objects.list(&prefix, None).await?;
                if there.entries.iter().all(|entry| is_older(entry.modified_s, now_s, age)) {
                    gone += deps.objects.delete_prefix(&prefix).await?;
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(gone);
            }
        }
    }
}
