-- A second step at the sign-in: codes of an app (RFC 6238), and codes for when the app is lost. The app's secret has to be read to
-- judge a code, so it is sealed with the site's secret; recovery codes are only ever compared, so there is a keyed digest of each.
CREATE TABLE two_factor (
    user_id      uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    secret       bytea NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 200),
    begun_at     timestamptz NOT NULL DEFAULT now(),
    -- Null: the app has not shown yet that it has the secret, and nothing is asked at the sign-in.
    confirmed_at timestamptz,
    -- The latest time step a code was taken for. Codes of it and of earlier ones are spent.
    last_step    bigint NOT NULL DEFAULT 0
);

CREATE TABLE recovery_codes (
    user_id   uuid NOT NULL REFERENCES two_factor ON DELETE CASCADE,
    code_hash bytea NOT NULL CHECK (octet_length(code_hash) = 32),
    used_at   timestamptz,
    PRIMARY KEY (user_id, code_hash)
);
