-- By what a browser is known again when it signs in: the digest of a random token in a cookie of its own, which outlives the sign-in.
ALTER TABLE sessions ADD COLUMN device_hash bytea CHECK (octet_length(device_hash) = 32);
-- The earlier ones of a member are looked at when they sign in, those that are over as well.
CREATE INDEX sessions_of_member ON sessions (user_id, created_at DESC);
