-- What moderators know of a member: notes they leave each other, and the member's own lines, found without reading everybody's.
CREATE TABLE chat_notes (
    note_id    uuid PRIMARY KEY,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- Who wrote it, as they were called then.
    written_by uuid NOT NULL,
    writer     text NOT NULL,
    text       text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 1000),
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX chat_notes_by_member ON chat_notes (channel_id, user_id, note_id DESC);

CREATE INDEX chat_messages_by_author ON chat_messages (channel_id, user_id, message_id DESC);
