//! The JSON of rooms and those who sit in them.

use chrono::{DateTime, Utc};
use db::rooms::{Face, Invitation, Listed, Seated};
use domain::rooms::{RoomKind, RoomRole};
use domain::{MessageId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::attachments::{AttachmentKindName, AttachmentLimits};
use crate::presence::PresenceView;
use crate::shapes::ChannelRef;

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RoomKind)]
pub(crate) enum RoomKindName {
    /// Of exactly two.
    Private,
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RoomRole)]
pub(crate) enum RoomRoleName {
    Member,
    /// Invites, names the group, hides messages, shows members out.
    Admin,
    Owner,
}

impl From<RoomRole> for RoomRoleName {
    fn from(role: RoomRole) -> Self {
        match role {
            RoomRole::Member => Self::Member,
            RoomRole::Admin => Self::Admin,
            RoomRole::Owner => Self::Owner,
        }
    }
}

impl From<RoomRoleName> for RoomRole {
    fn from(name: RoomRoleName) -> Self {
        match name {
            RoomRoleName::Member => Self::Member,
            RoomRoleName::Admin => Self::Admin,
            RoomRoleName::Owner => Self::Owner,
        }
    }
}

/// A member as others see them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomPerson {
    id: Uuid,
    username: String,
    display_name: String,
    avatar_url: Option<String>,
    /// False: the account is not in use now.
    is_active: bool,
    /// Null when they hide it, or nobody can say now; told of those who sit in a room.
    presence: Option<PresenceView>,
}

impl From<Face> for RoomPerson {
    fn from(face: Face) -> Self {
        let shown = ChannelRef::from(face.person);
        Self {
            id: face.id.as_uuid(),
            username: shown.username,
            display_name: shown.display_name,
            avatar_url: shown.avatar_url,
            is_active: face.is_active,
            presence: None,
        }
    }
}

/// The last message of a room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastMessage {
    id: Uuid,
    user_id: Uuid,
    /// How it begins: 100 characters at most. Nothing where only something was sent.
    text: String,
    /// What went out with it.
    attachment: Option<AttachmentKindName>,
    sent_at: DateTime<Utc>,
}

/// A room as the caller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Room {
    id: Uuid,
    kind: RoomKindName,
    /// A group's.
    name: Option<String>,
    /// The other one of a conversation of two.
    with: Option<RoomPerson>,
    /// The caller's.
    role: RoomRoleName,
    members_count: i64,
    is_archived: bool,
    last_message: Option<LastMessage>,
    /// Messages of others after what the caller has read, counted up to 100.
    unread_count: i64,
    /// Up to which message the caller has read.
    read_id: Option<Uuid>,
    /// In a conversation of two: up to which message the other has read.
    other_read_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// Why nothing can be said in it now, as a code; told of a single room only.
    pub refusal: Option<String>,
    /// What may be sent with a message; told of a single room only.
    pub attachments: Option<AttachmentLimits>,
}

impl From<Listed> for Room {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.room.as_uuid(),
            kind: match listed.kind {
                RoomKind::Private => RoomKindName::Private,
                RoomKind::Group => RoomKindName::Group,
            },
            name: listed.name,
            with: listed.with.map(RoomPerson::from),
            role: listed.role.into(),
            members_count: listed.members,
            is_archived: listed.is_archived,
            last_message: listed.last.map(|last| LastMessage {
                id: last.id.as_uuid(),
                user_id: last.user.as_uuid(),
                text: last.excerpt,
                attachment: last.attachment.map(AttachmentKindName::from),
                sent_at: last.sent_at,
            }),
            unread_count: listed.unread,
            read_id: listed.read.map(MessageId::as_uuid),
            other_read_id: listed.other_read.map(MessageId::as_uuid),
            created_at: listed.created_at,
            refusal: None,
            attachments: None,
        }
    }
}

impl Room {
    /// The other one of a conversation of two.
    pub fn other(&self) -> Option<UserId> {
        self.with.as_ref().map(|other| UserId::from_uuid(other.id))
    }

    /// Says whether the other one is there.
    pub fn show(&mut self, presence: Option<PresenceView>) {
        if let Some(other) = &mut self.with {
            other.presence = presence;
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RoomPage {
    pub items: Vec<Room>,
    pub next_cursor: Option<String>,
    /// Rooms with something new in them; of all, not of this page.
    pub unread_count: i64,
}

/// One who sits in a room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomMember {
    #[serde(flatten)]
    person: RoomPerson,
    role: RoomRoleName,
    joined_at: DateTime<Utc>,
    /// Up to which message they have read.
    read_id: Option<Uuid>,
}

impl From<Seated> for RoomMember {
    fn from(seated: Seated) -> Self {
        Self {
            person: seated.face.into(),
            role: seated.role.into(),
            joined_at: seated.joined_at,
            read_id: seated.read.map(MessageId::as_uuid),
        }
    }
}

impl RoomMember {
    /// Whether they are there.
    pub fn showing(mut self, presence: Option<PresenceView>) -> Self {
        self.person.presence = presence;
        self
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RoomMemberPage {
    pub items: Vec<RoomMember>,
    /// Always null: a room has at most 100 members.
    pub next_cursor: Option<String>,
}

/// Somebody who is invited and has not answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitedMember {
    #[serde(flatten)]
    person: RoomPerson,
    created_at: DateTime<Utc>,
}

impl From<(Face, DateTime<Utc>)> for InvitedMember {
    fn from((face, created_at): (Face, DateTime<Utc>)) -> Self {
        Self { person: face.into(), created_at }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct InvitedPage {
    pub items: Vec<InvitedMember>,
    /// Always null: at most 100 wait.
    pub next_cursor: Option<String>,
}

/// An invitation to the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoomInvitation {
    room_id: Uuid,
    name: String,
    members_count: i64,
    invited_by: ChannelRef,
    created_at: DateTime<Utc>,
}

impl From<Invitation> for RoomInvitation {
    fn from(invitation: Invitation) -> Self {
        Self {
            room_id: invitation.room.as_uuid(),
            name: invitation.name,
            members_count: invitation.members,
            invited_by: invitation.by.into(),
            created_at: invitation.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct InvitationPage {
    pub items: Vec<RoomInvitation>,
    /// Always null: the latest 100.
    pub next_cursor: Option<String>,
}
