-- Members' own servers are told of what happens on their channels (Standard Webhooks 1.0). An endpoint is an address with a key;
-- a delivery is one message to one endpoint: its row is written in the transaction that moves the event out of the outbox, and
-- stays as the endpoint's log.
CREATE TABLE webhooks (
    webhook_id       uuid PRIMARY KEY,
    channel_id       uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    url              text NOT NULL CHECK (char_length(url) BETWEEN 1 AND 1024),
    description      text NOT NULL DEFAULT '' CHECK (char_length(description) <= 200),
    -- Which happenings it wants. None named: all, those of later releases too.
    events           text[] NOT NULL DEFAULT '{}',
    is_enabled       boolean NOT NULL DEFAULT true,
    -- Why it was switched off, when it was not its member: the receiver said so, or it failed for days.
    disabled_because text CHECK (disabled_because IN ('gone', 'failing')),
    -- Sealed with the site's secret. After a rotation the old one signs too, for a while.
    secret           bytea NOT NULL,
    old_secret       bytea,
    old_secret_until timestamptz,
    -- Messages written for it so far; each carries its number.
    sequence         bigint NOT NULL DEFAULT 0,
    -- Failures since it last took a message, and since when.
    failures         integer NOT NULL DEFAULT 0,
    failing_since    timestamptz,
    -- It is left alone until then.
    rests_until      timestamptz,
    -- The job whose turn it is with this endpoint, and for how long unless it asks again.
    turn_of          text,
    turn_until       timestamptz,
    -- When messages were last not written because too many wait.
    overflowed_at    timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL)),
    CHECK (NOT is_enabled OR disabled_because IS NULL)
);
CREATE INDEX webhooks_by_channel ON webhooks (channel_id, webhook_id);

CREATE TABLE webhook_deliveries (
    delivery_id  uuid PRIMARY KEY,
    webhook_id   uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    -- The outbox's. An event becomes one message of an endpoint, however often it is moved.
    event_id     uuid NOT NULL,
    type         text NOT NULL,
    -- The stream it is about. Messages about one stream are sent in the order of their numbers.
    subject_id   uuid,
    sequence     bigint NOT NULL,
    body         text NOT NULL CHECK (octet_length(body) < 20000),
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz,
    -- What came of the last attempt.
    attempted_at timestamptz,
    status       integer,
    fault        text,
    latency_ms   integer,
    answer       text CHECK (octet_length(answer) <= 4096),
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (webhook_id, event_id),
    CHECK ((state = 'waiting') = (next_at IS NOT NULL))
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, sequence) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (webhook_id, delivery_id DESC);
