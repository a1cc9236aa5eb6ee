//! Named boundaries of a path that must survive anything, at which a test can end the process as `kill -9` would.
//!
//! A room lists its boundaries with [`failpoints!`](crate::failpoints); a sweep goes through the list itself, so a boundary
//! that is added is swept without anybody thinking of it. The variable [`VARIABLE`] arms one: `name`, or `name:3` for the
//! third time it is passed. A release build has none of this.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the boundary at which this process ends.
pub const VARIABLE: &str = "RILLCAST_FAILPOINT";

/// One boundary.
#[derive(Debug)]
pub struct Failpoint {
    name: &'static str,
    hits: AtomicU64,
}

impl Failpoint {
    pub const fn new(name: &'static str) -> Self {
        Self { name, hits: AtomicU64::new(0) }
    }

    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How often this process has passed it. Always 0 in a release build.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    /// Ends the process here when a test asked for it: no destructor runs, nothing is flushed.
    #[inline]
    pub fn pass(&self) {
        if cfg!(debug_assertions) {
            self.count();
        }
    }

    #[cold]
    fn count(&self) {
        let hit = self.hits.fetch_add(1, Ordering::SeqCst) + 1;
        if armed().is_some_and(|(name, nth)| name == self.name && *nth == hit) {
            std::process::abort();
        }
    }
}

/// The boundary and the time at which this process ends, if any.
fn armed() -> Option<&'static (String, u64)> {
    static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    ARMED.get_or_init(|| parse(&std::env::var_os(VARIABLE)?.into_string().ok()?)).as_ref()
}

fn parse(text: &str) -> Option<(String, u64)> {
    match text.rsplit_once(':') {
        Some((name, nth)) => Some((name.to_owned(), nth.parse().ok()?)),
        None => Some((text.to_owned(), 1)),
    }
}

/// Lists a room's boundaries: a static for each, and `ALL` of them.
#[macro_export]
macro_rules! failpoints {
    ($($(#[$doc:meta])* $id:ident = $name:literal;)*) => {
        $($(#[$doc])* pub static $id: $crate::failpoint::Failpoint = $crate::failpoint::Failpoint::new($name);)*
        /// Every boundary of the list.
        pub static ALL: &[&$crate::failpoint::Failpoint] = &[$(&$id),*];
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_armed_for_its_first_time_unless_told_otherwise() {
        assert_eq!(parse("record.part-logged"), Some(("record.part-logged".to_owned(), 1)));
        assert_eq!(parse("record.part-logged:3"), Some(("record.part-logged".to_owned(), 3)));
        assert_eq!(parse("record.part-logged:x"), None);
    }

    #[test]
    fn a_point_nobody_armed_only_counts() {
        static POINT: Failpoint = Failpoint::new("kit.test");
        POINT.pass();
        POINT.pass();
        assert_eq!(POINT.hits(), 2);
    }
}
