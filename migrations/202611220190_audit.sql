-- Who did what to what, on the whole site: members, staff, the operator, the site's own workers. It takes over the log of the staff's
-- acts, so that there is one place to look. Names as they were then and no foreign keys: nothing that is deleted takes its history
-- along. Nobody changes it; only audit_prune lets go of what was kept long enough.
CREATE TABLE audit_log (
    entry_id    uuid PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor_kind  text NOT NULL CHECK (actor_kind IN ('user', 'system', 'worker')),
    actor_id    uuid,
    actor       text,
    action      text NOT NULL CHECK (char_length(action) <= 64),
    entity_type text NOT NULL CHECK (char_length(entity_type) <= 32),
    entity_id   text NOT NULL CHECK (char_length(entity_id) <= 64),
    entity      text NOT NULL DEFAULT '' CHECK (char_length(entity) <= 200),
    -- Whom it concerns, where that is a member: whose recording, emote, account.
    member_id   uuid,
    member      text,
    reason      text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    details     jsonb NOT NULL DEFAULT '{}' CHECK (octet_length(details::text) <= 8192),
    addr        text CHECK (char_length(addr) <= 45)
);
CREATE INDEX audit_log_by_time ON audit_log (at DESC, entry_id DESC);
CREATE INDEX audit_log_by_actor ON audit_log (actor, at DESC, entry_id DESC);
CREATE INDEX audit_log_by_action ON audit_log (action, at DESC, entry_id DESC);
CREATE INDEX audit_log_by_entity ON audit_log (entity_id, at DESC, entry_id DESC);
CREATE INDEX audit_log_by_member ON audit_log (member_id, at DESC, entry_id DESC) WHERE member_id IS NOT NULL;

INSERT INTO audit_log (entry_id, at, actor_kind, actor_id, actor, action, entity_type, entity_id, entity, member_id, member, reason,
                       details)
SELECT act_id, at, CASE WHEN actor_id IS NULL THEN 'system' ELSE 'user' END, actor_id, coalesce(actor, 'operator'),
       CASE action WHEN 'suspend' THEN 'user.suspended' WHEN 'unsuspend' THEN 'user.unsuspended'
                   WHEN 'report_resolve' THEN 'report.resolved' WHEN 'report_dismiss' THEN 'report.dismissed'
                   WHEN 'emote_remove' THEN 'emote.removed' ELSE action END,
       CASE action WHEN 'report_resolve' THEN 'report' WHEN 'report_dismiss' THEN 'report' WHEN 'emote_remove' THEN 'emote'
                   ELSE 'user' END,
       left(coalesce(detail->>'report_id', detail->>'emote', target_id::text, ''), 64),
       left(coalesce(detail->>'name', target, ''), 200), target_id, target, reason,
       CASE WHEN octet_length(detail::text) <= 8192 THEN detail ELSE '{}' END
  FROM site_log;
DROP TABLE site_log;

-- Lets go of entries older than so many days, at most so many at once, the oldest first. What tells why somebody is suspended stays
-- as long as they are.
CREATE FUNCTION audit_prune(keep_days integer, most integer) RETURNS bigint LANGUAGE plpgsql
SET rillcast.audit_prunes TO 'yes' AS $$
DECLARE
    gone bigint;
BEGIN
    IF keep_days < 1 THEN
        RAISE EXCEPTION 'the audit log is kept for a day at least';
    END IF;
    DELETE FROM audit_log
     WHERE entry_id IN (SELECT l.entry_id
                          FROM audit_log l
                         WHERE l.at < now() - make_interval(days => keep_days)
                           AND NOT (l.action = 'user.suspended'
                                    AND EXISTS (SELECT FROM users u WHERE u.user_id = l.member_id AND u.is_barred))
                         ORDER BY l.at
                         LIMIT most);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;

CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('rillcast.audit_prunes', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit log is never changed';
END $$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
