-- When a member is left alone (browsers and mail; the list is always right), and when mail comes that is collected. A member without a
-- row is told at once. What waits is a delivery without a batch, until it is due.
CREATE TABLE notification_times (
    user_id     uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    time_zone   text NOT NULL DEFAULT 'UTC' CHECK (char_length(time_zone) BETWEEN 1 AND 64),
    -- Minutes since midnight there. A span over midnight ends on the next day.
    quiet_from  integer CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_to    integer CHECK (quiet_to BETWEEN 0 AND 1439),
    digest      text NOT NULL DEFAULT 'off' CHECK (digest IN ('off', 'daily', 'weekly')),
    digest_hour integer NOT NULL DEFAULT 8 CHECK (digest_hour BETWEEN 0 AND 23),
    -- ISO 8601: 1 is Monday.
    digest_day  integer NOT NULL DEFAULT 1 CHECK (digest_day BETWEEN 1 AND 7),
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL)),
    CHECK (quiet_from <> quiet_to)
);

ALTER TABLE push_deliveries
    ALTER COLUMN batch_id DROP NOT NULL,
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX push_deliveries_held ON push_deliveries (due_at) WHERE batch_id IS NULL;
ALTER TABLE mail_deliveries
    ALTER COLUMN batch_id DROP NOT NULL,
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX mail_deliveries_held ON mail_deliveries (due_at) WHERE batch_id IS NULL;

CREATE FUNCTION is_time_zone(zone text) RETURNS boolean LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    PERFORM now() AT TIME ZONE zone;
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END $$;

-- The end of the quiet hours a moment falls in; NULL when it falls in none.
CREATE FUNCTION quiet_until(zone text, quiet_from integer, quiet_to integer, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    there    timestamp := at AT TIME ZONE zone;
    midnight timestamp := date_trunc('day', there);
    minute   integer := extract(hour FROM there) * 60 + extract(minute FROM there);
    days     integer;
BEGIN
    IF quiet_from < quiet_to THEN
        IF minute < quiet_from OR minute >= quiet_to THEN RETURN NULL; END IF;
        days := 0;
    ELSIF minute >= quiet_from THEN
        days := 1;
    ELSIF minute < quiet_to THEN
        days := 0;
    ELSE
        RETURN NULL;
    END IF;
    RETURN (midnight + make_interval(days => days, mins => quiet_to)) AT TIME ZONE zone;
END $$;

-- When mail that is collected goes out next after a moment; NULL when it is not collected.
CREATE FUNCTION digest_at(zone text, digest text, digest_hour integer, digest_day integer, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    there timestamp := at AT TIME ZONE zone;
    due   timestamp;
    step  interval;
BEGIN
    IF digest = 'daily' THEN
        due := date_trunc('day', there) + make_interval(hours => digest_hour);
        step := interval '1 day';
    ELSIF digest = 'weekly' THEN
        due := date_trunc('week', there) + make_interval(days => digest_day - 1, hours => digest_hour);
        step := interval '7 days';
    ELSE
        RETURN NULL;
    END IF;
    IF due <= there THEN
        due := due + step;
    END IF;
    RETURN due AT TIME ZONE zone;
END $$;

-- A zone the system has forgotten is taken for UTC: nobody else's notifications may fail because of it.
CREATE FUNCTION zone_of(t notification_times) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN is_time_zone(t.time_zone) THEN t.time_zone WHEN t.time_zone IS NOT NULL THEN 'UTC' END
$$;

-- Until when a delivery of a moment waits; NULL when it does not. Mail that is collected and would come in quiet hours comes after them.
CREATE FUNCTION push_waits_until(t notification_times, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT quiet_until(zone_of(t), t.quiet_from, t.quiet_to, at)
$$;
CREATE FUNCTION mail_waits_until(t notification_times, is_urgent boolean, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(quiet_until(zone_of(t), t.quiet_from, t.quiet_to, coalesce(next.due, at)), next.due)
      FROM (SELECT CASE WHEN NOT is_urgent
                        THEN digest_at(zone_of(t), t.digest, t.digest_hour, t.digest_day, at) END AS due) AS next
$$;
