//! The words and rules of Rillcast: ids, states, limits, events, errors.
//!
//! Owns every rule that can be decided without asking anyone: what a username may look like, which state may follow
//! which, what a refused request is called. Does no I/O, knows no protocol, no runtime and no SDK.

pub mod api_token;
pub mod attachment;
pub mod audit;
pub mod chat;
pub mod clip;
pub mod device;
pub mod error;
pub mod event;
pub mod file;
pub mod ids;
pub mod import;
pub mod ingest;
pub mod notification;
pub mod order;
pub mod payment;
pub mod people;
pub mod permission;
pub mod quiet;
pub mod rooms;
pub mod search;
pub mod share;
pub mod stream;
pub mod user;
pub mod visibility;
pub mod webhook;
pub mod words;

pub use error::{Classify, Kind};
pub use ids::{
    AttachmentId, BlobId, CategorySlug, ClipId, DeliveryId, EmoteId, FileId, MessageId, NotificationId, PaymentId,
    ProofId, PublishId, RoomId, SessionId, ShareId, StreamId, UserId, VersionId, VodId, WebhookId,
};
pub use permission::Permission;
pub use visibility::Visibility;

/// A moment, always in UTC. Written as RFC 3339 at every edge.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
