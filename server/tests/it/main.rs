//! Whole sites: a real process, real encoders, real players; judged from outside only.

mod broadcast;
mod browser;
mod check;
mod clients;
mod clips;
mod continuity;
mod dash;
mod document;
mod enhanced;
mod handover;
mod health;
mod import;
mod long;
mod nodes;
mod outages;
mod roles;
mod split;
mod startup;
mod suspension;
mod window;

const EXE: &str = env!("CARGO_BIN_EXE_rillcast");
