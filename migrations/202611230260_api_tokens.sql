-- Members' programs come with tokens of their own. A token is a sign-in of another kind, so that whatever ends sign-ins ends it too: a
-- new password, a suspension, a closed account. Only a keyed digest of it is kept.
ALTER TABLE sessions ADD COLUMN is_token boolean NOT NULL DEFAULT false;

CREATE TABLE api_tokens (
    session_id uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    -- Its last characters, by which its member knows it again.
    hint       text NOT NULL CHECK (char_length(hint) BETWEEN 1 AND 8),
    scopes     text[] NOT NULL CHECK (cardinality(scopes) BETWEEN 1 AND 32),
    -- To ten minutes, as each request would cost a write.
    used_at    timestamptz,
    used_addr  text CHECK (char_length(used_addr) <= 45)
);
