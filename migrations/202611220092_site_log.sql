-- What the site's staff did about members and reports, for good: names as they were then, and no foreign keys, so that nothing that
-- is deleted takes it along. Without an actor it was the operator, at the command line.
CREATE TABLE site_log (
    act_id    uuid PRIMARY KEY,
    actor_id  uuid,
    actor     text,
    action    text NOT NULL,
    target_id uuid,
    target    text,
    reason    text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    detail    jsonb NOT NULL DEFAULT '{}',
    at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX site_log_by_target ON site_log (target_id, act_id DESC) WHERE target_id IS NOT NULL;

CREATE TRIGGER site_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON site_log
    FOR EACH STATEMENT EXECUTE FUNCTION mod_log_is_append_only();
