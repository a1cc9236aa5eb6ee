-- Pictures and files that members put into messages of rooms. What lies in the bucket below a row's prefix is served while the row is 'ready'
-- and somebody asks who sits in the room. Whoever wants something gone says so here (gone_at); the objects go first, then the row.
CREATE TABLE attachments (
    attachment_id uuid PRIMARY KEY,
    room_id       uuid NOT NULL REFERENCES rooms ON DELETE CASCADE,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- Part of the objects' keys that nobody is told: an id alone opens nothing, in a public bucket either.
    lock          text NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('image', 'file')),
    name          text NOT NULL,
    -- Of what is served.
    mime          text NOT NULL,
    thumb_mime    text,
    bytes         bigint NOT NULL,
    width         integer,
    height        integer,
    -- Of what was sent.
    sha256        bytea NOT NULL CHECK (octet_length(sha256) = 32),
    -- All of its objects, as the member's room counts them; 0 once they are gone.
    stored_bytes  bigint NOT NULL,
    -- A picture as it was sent, kept beside ours until it was looked at.
    has_upload    boolean NOT NULL,
    state         text NOT NULL CHECK (state IN ('storing', 'checking', 'ready', 'infected', 'failed')),
    -- The message it went out with, and the sender's own name for that: bound once.
    message_id    uuid UNIQUE,
    client_id     text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    bound_at      timestamptz,
    -- When its state became what it is.
    changed_at    timestamptz NOT NULL DEFAULT now(),
    gone_at       timestamptz,
    -- When somebody has to look at it next; null: nothing is owed. Who does moves it forward first.
    due_at        timestamptz,
    tries         integer NOT NULL DEFAULT 0,
    CHECK ((kind = 'image') = (width IS NOT NULL) AND (kind = 'image') = (height IS NOT NULL)),
    CHECK ((kind = 'image') = (thumb_mime IS NOT NULL)),
    CHECK ((message_id IS NULL) = (bound_at IS NULL) AND (message_id IS NULL) = (client_id IS NULL))
);
CREATE INDEX attachments_due ON attachments (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX attachments_by_user ON attachments (user_id) WHERE stored_bytes > 0 OR message_id IS NULL;
CREATE INDEX attachments_changed ON attachments (room_id, changed_at) WHERE message_id IS NOT NULL;

-- What a scanner found something in is not taken in again, by nobody.
CREATE TABLE refused_files (
    sha256    bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    signature text NOT NULL,
    found_at  timestamptz NOT NULL DEFAULT now()
);
