-- Browsers that are told of notifications while no page of ours is open (Web Push). A delivery's row is written with its
-- notification and goes when it was sent or given up: what is here is owed.
CREATE TABLE push_subscriptions (
    subscription_id uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- A browser has one: who signs in there next takes it over.
    endpoint        text NOT NULL UNIQUE CHECK (char_length(endpoint) <= 1024),
    public_key      bytea NOT NULL CHECK (length(public_key) = 65),
    auth            bytea NOT NULL CHECK (length(auth) = 16),
    label           text NOT NULL CHECK (char_length(label) <= 100),
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX push_subscriptions_by_user ON push_subscriptions (user_id, subscription_id DESC);

CREATE TABLE push_deliveries (
    notification_id uuid NOT NULL REFERENCES notifications ON DELETE CASCADE,
    subscription_id uuid NOT NULL REFERENCES push_subscriptions ON DELETE CASCADE,
    -- The job that sends it.
    batch_id        uuid NOT NULL,
    claimed_at      timestamptz,
    PRIMARY KEY (notification_id, subscription_id)
);
CREATE INDEX push_deliveries_by_batch ON push_deliveries (batch_id);
CREATE INDEX push_deliveries_by_subscription ON push_deliveries (subscription_id);
