-- Members may close their account and come back: nothing of theirs is deleted, and nobody sees it meanwhile. Everywhere else that is the
-- same as being suspended by the staff, so `is_suspended` becomes what both are, and only these two are ever set.
ALTER TABLE users RENAME COLUMN is_suspended TO is_barred;
ALTER TABLE users
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN is_suspended boolean NOT NULL GENERATED ALWAYS AS (is_barred OR closed_at IS NOT NULL) STORED;

ALTER TABLE sessions DROP CONSTRAINT sessions_revoke_reason_check;
ALTER TABLE sessions ADD CHECK (revoke_reason IN ('logout', 'reuse', 'password', 'admin', 'closed'));
