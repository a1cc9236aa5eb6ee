//! What a process needs to be of use, and whether it has it. `/readyz` and `doctor` read it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use serde::Serialize;

/// The state of one dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Condition {
    /// Not heard of yet.
    Starting,
    Up,
    Down {
        reason: String,
    },
}

/// Shared by the tasks that know (they set) and the endpoint that tells (it reads).
#[derive(Debug, Clone, Default)]
pub struct Health {
    parts: Arc<RwLock<BTreeMap<&'static str, Condition>>>,
}

impl Health {
    /// Registers a part before anything is known of it: readiness waits for it.
    pub fn expect(&self, part: &'static str) {
        self.set(part, Condition::Starting);
    }

    pub fn set(&self, part: &'static str, condition: Condition) {
        self.parts.write().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(part, condition);
    }

    pub fn up(&self, part: &'static str) {
        self.set(part, Condition::Up);
    }

    pub fn down(&self, part: &'static str, reason: impl ToString) {
        self.set(part, Condition::Down { reason: reason.to_string() });
    }

    pub fn snapshot(&self) -> BTreeMap<&'static str, Condition> {
        self.parts.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// True when every registered part is up.
    pub fn is_ready(&self) -> bool {
        self.snapshot().values().all(|condition| *condition == Condition::Up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_waits_for_every_expected_part() {
        let health = Health::default();
        health.expect("postgres");
        assert!(!health.is_ready());
        health.up("postgres");
        assert!(health.is_ready());
        health.down("redis", "refused");
        assert!(!health.is_ready());
    }
}
