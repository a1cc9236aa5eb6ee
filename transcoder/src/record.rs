//! Recording: every finished segment reaches the bucket while the stream runs, and none is lost on the way.
//!
//! The media path hands parts over and never waits ([`Recording`]). One writer appends them to files below
//! `data_dir/spool/{stream_id}/` beside a journal that survives `kill -9`; uploaders put closed segments into the bucket;
//! a committer writes their rows and only then lets the local files go. When the stream has ended and nothing waits any
//! more, the recording becomes `ready` in one transaction, whatever its length.
//!
//! Does not own segmenting, playlists, or the decision that a stream is over: it is told, or asks the stream's row.
//!
//! ```text
//! Recording ──bounded queue──▶ writer ──backlog──▶ uploaders ──bounded queue──▶ committer ──▶ rows, ready
//!                                 ▲──────────────── stored: delete the file ────────┘
//! ```

mod backlog;
mod book;
mod commit;
mod handle;
mod inbox;
mod journal;
pub mod points;
mod reel;
mod rolls;
mod spool;
mod sweep;
mod task;
mod upload;
mod writer;

pub use db::recordings::RenditionKind;
pub use db::storyboards::Sheet;
pub use handle::{
    Pace, RecordDeps, RecordError, RecordedPart, Recorder, Recording, RecordingEnd, RecordingInfo, RenditionInfo,
    Resume,
};
pub use task::RecorderTask;
