-- Channels have emotes of their own. Their pictures are in the bucket below the emote's id, which is never used again: what was said
-- with an emote names its picture, and shows its name as text once the picture is gone.
CREATE TABLE emotes (
    emote_id   uuid PRIMARY KEY,
    channel_id uuid NOT NULL REFERENCES channels (channel_id) ON DELETE CASCADE,
    name       text NOT NULL CHECK (name ~ '^[a-z0-9_]{2,24}$' AND name ~ '[a-z]'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT emotes_one_name UNIQUE (channel_id, name)
);
