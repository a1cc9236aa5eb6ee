-- Requests that make something and say which attempt they are (`Idempotency-Key`): what was asked under a member's key, and what was
-- answered, for a day. The primary key decides which of many at once does the work; a claim that nobody finished can be taken over
-- when its time is up. Answers may hold secrets (a webhook's key), so they are sealed with the site's secret.
CREATE TABLE idempotency_keys (
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    key           text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, address and body.
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- Whose attempt it is: one that lost its claim stores nothing.
    claim         uuid NOT NULL,
    claimed_until timestamptz NOT NULL,
    -- Null while it runs.
    status        smallint,
    answer        bytea CHECK (octet_length(answer) <= 70000),
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key),
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
