-- Members see where they are signed in, call their devices something, and end single ones from another.
ALTER TABLE sessions ADD COLUMN name text CHECK (char_length(name) BETWEEN 1 AND 60);
ALTER TABLE sessions DROP CONSTRAINT sessions_revoke_reason_check;
ALTER TABLE sessions ADD CHECK (revoke_reason IN ('logout', 'reuse', 'password', 'admin', 'closed', 'ended'));
