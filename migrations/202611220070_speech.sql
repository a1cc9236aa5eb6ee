-- What a chat line can be and what becomes of it: replies, announcements, edits, reactions, and the line a channel has pinned.
ALTER TABLE chat_messages
    ADD COLUMN kind       text NOT NULL DEFAULT 'message' CHECK (kind IN ('message', 'announcement')),
    ADD COLUMN reply_to   uuid,
    -- The first message of the thread it belongs to.
    ADD COLUMN thread_id  uuid,
    ADD COLUMN mentions   jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN emotes     jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN edited_at  timestamptz,
    -- The last edit, reaction or deletion: what a client that was away must hear of.
    ADD COLUMN changed_at timestamptz;
CREATE INDEX chat_messages_by_thread ON chat_messages (thread_id, message_id) WHERE thread_id IS NOT NULL;
CREATE INDEX chat_messages_changed ON chat_messages (channel_id, changed_at) WHERE changed_at IS NOT NULL;

CREATE TABLE chat_reactions (
    message_id uuid NOT NULL REFERENCES chat_messages ON DELETE CASCADE,
    emoji      text NOT NULL,
    user_id    uuid NOT NULL,
    reacted_at timestamptz NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);

-- The message itself may lie in MongoDB.
CREATE TABLE chat_pins (
    channel_id uuid PRIMARY KEY REFERENCES channels ON DELETE CASCADE,
    message_id uuid NOT NULL,
    pinned_by  uuid NOT NULL,
    pinned_at  timestamptz NOT NULL
);
