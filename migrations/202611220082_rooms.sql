-- Conversations between members: private ones, of two and one per pair, and groups. Who sits in them and what was read is here; what was
-- said is in the room history, which is here (room_messages) or in MongoDB.
CREATE TABLE rooms (
    room_id     uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('private', 'group')),
    -- The two of a private room.
    low_id      uuid REFERENCES users ON DELETE CASCADE,
    high_id     uuid REFERENCES users ON DELETE CASCADE,
    -- A group's.
    name        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    CONSTRAINT rooms_one_per_pair UNIQUE (low_id, high_id),
    CHECK (low_id < high_id),
    CHECK ((kind = 'private') = (low_id IS NOT NULL) AND (kind = 'private') = (high_id IS NOT NULL)),
    CHECK ((kind = 'group') = (name IS NOT NULL)),
    CHECK (kind = 'group' OR archived_at IS NULL)
);

-- Who sits in a room, or sat: what they said stays, and they can come back.
CREATE TABLE room_members (
    room_id   uuid NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role      text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    state     text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'left', 'removed')),
    joined_at timestamptz NOT NULL DEFAULT now(),
    -- Up to which message they have read. It only moves forward.
    read_id   uuid,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_members_by_user ON room_members (user_id) WHERE state = 'active';
CREATE UNIQUE INDEX room_members_one_owner ON room_members (room_id) WHERE role = 'owner' AND state = 'active';

CREATE TABLE room_invites (
    room_id    uuid NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    invited_by uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_invites_by_user ON room_invites (user_id);

-- One line for each message, wherever its text is: what is unread is counted here, and a list shows how the last one begins.
CREATE TABLE room_lines (
    message_id uuid PRIMARY KEY,
    room_id    uuid NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    uuid NOT NULL,
    excerpt    text NOT NULL,
    sent_at    timestamptz NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false
);
CREATE INDEX room_lines_by_room ON room_lines (room_id, message_id DESC) WHERE NOT is_deleted;

CREATE TABLE room_messages (
    message_id uuid PRIMARY KEY,
    room_id    uuid NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id    uuid NOT NULL,
    text       text NOT NULL,
    client_id  text NOT NULL,
    sent_at    timestamptz NOT NULL,
    reply_to   uuid,
    edited_at  timestamptz,
    -- The last edit, reaction or deletion: what a client that was away must hear of.
    changed_at timestamptz,
    deleted_at timestamptz,
    -- A client that sends again after a lost acknowledgement gets the first one's message.
    UNIQUE (user_id, client_id)
);
CREATE INDEX room_messages_by_room ON room_messages (room_id, message_id DESC);
CREATE INDEX room_messages_changed ON room_messages (room_id, changed_at) WHERE changed_at IS NOT NULL;

CREATE TABLE room_reactions (
    message_id uuid NOT NULL REFERENCES room_messages ON DELETE CASCADE,
    emoji      text NOT NULL,
    user_id    uuid NOT NULL,
    reacted_at timestamptz NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);

-- Who may write to a member, and invite them into a group.
ALTER TABLE privacy
    ADD COLUMN messages text NOT NULL DEFAULT 'friends' CHECK (messages IN ('everybody', 'followed', 'friends', 'nobody'));

CREATE FUNCTION are_friends(one uuid, other uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM bonds
                    WHERE low_id = least(one, other) AND high_id = greatest(one, other) AND friendship = 'accepted')
$$;

-- Whether a member's own settings let another write to them. 'followed' takes friends too.
CREATE FUNCTION takes_messages(member uuid, writer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT are_apart(member, writer)
           AND CASE coalesce((SELECT messages FROM privacy WHERE user_id = member), 'friends')
               WHEN 'everybody' THEN true
               WHEN 'nobody' THEN false
               WHEN 'followed' THEN are_friends(member, writer)
                    OR EXISTS (SELECT FROM follows WHERE channel_id = writer AND follower_id = member)
               ELSE are_friends(member, writer)
               END
$$;
