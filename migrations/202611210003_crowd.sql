-- Notifications, chat history (when no MongoDB is configured), views, and the outbox that ties facts to consequences.
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    type            text NOT NULL,
    message         text NOT NULL,
    entity_type     text NOT NULL,
    entity_id       uuid NOT NULL,
    is_read         boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- However often a job runs, a member hears of a thing once.
    UNIQUE (user_id, type, entity_id)
);
CREATE INDEX notifications_by_user ON notifications (user_id, notification_id DESC);
CREATE INDEX notifications_unread ON notifications (user_id) WHERE NOT is_read;

CREATE TABLE chat_messages (
    message_id   uuid PRIMARY KEY,
    channel_id   uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    stream_id    uuid,
    user_id      uuid NOT NULL,
    username     text NOT NULL,
    display_name text NOT NULL,
    badges       text[] NOT NULL DEFAULT '{}',
    text         text NOT NULL,
    client_id    text NOT NULL,
    sent_at      timestamptz NOT NULL,
    -- Milliseconds since the stream started, for replay beside the recording.
    offset_ms    bigint,
    deleted_at   timestamptz,
    deleted_by   uuid,
    -- A client that resends after a lost acknowledgement gets the first one's message.
    UNIQUE (user_id, client_id)
);
CREATE INDEX chat_messages_by_channel ON chat_messages (channel_id, message_id DESC);
CREATE INDEX chat_messages_by_stream ON chat_messages (stream_id, offset_ms) WHERE stream_id IS NOT NULL;

-- Views are counted in Redis and flushed in batches. A batch that was applied is never applied again.
CREATE TABLE view_batches (
    batch_id   uuid PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    outbox_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      uuid NOT NULL UNIQUE,
    kind          text NOT NULL,
    payload       jsonb NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    dispatched_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (outbox_id) WHERE dispatched_at IS NULL;

CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();

-- One row per operator hook that is owed; its job is done once it says delivered.
CREATE TABLE hook_deliveries (
    publish_id   uuid NOT NULL REFERENCES publishes ON DELETE CASCADE,
    hook         text NOT NULL,
    delivered_at timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    last_error   text,
    PRIMARY KEY (publish_id, hook)
);
