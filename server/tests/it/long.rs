//! What takes minutes: `./dev bench faults` runs these, a commit does not.

mod check;
mod clocks;
mod flood;
mod restarts;
mod slow;
mod stores;
mod storm;
