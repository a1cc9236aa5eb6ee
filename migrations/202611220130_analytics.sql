-- Who watched, minute by minute: what a broadcaster looks at on the day after. Counts in Redis are of now and are lost with it.
--
-- One node writes the minutes of all streams on air in one statement. A number that is not known is null, and is drawn as a
-- gap: nobody watching and nobody counting are different things.
CREATE TABLE stream_minutes (
    stream_id uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    -- Its beginning, by Redis's clock.
    minute    timestamptz NOT NULL CHECK (minute = date_trunc('minute', minute, 'UTC')),
    -- Unique viewers at one moment of the minute; of them those who only read playlists; and open sockets.
    viewers   integer CHECK (viewers >= 0),
    players   integer CHECK (players >= 0),
    sockets   integer CHECK (sockets >= 0),
    -- Of the whole minute.
    lines     integer CHECK (lines >= 0),
    follows   integer CHECK (follows >= 0),
    PRIMARY KEY (stream_id, minute)
);
CREATE INDEX stream_minutes_by_age ON stream_minutes (minute);

-- What is left of minutes that were kept long enough: one row for each day (UTC) of a stream.
CREATE TABLE stream_days (
    stream_id      uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    day            date NOT NULL,
    -- Minutes on air, and those of them in which viewers were counted.
    minutes        integer NOT NULL,
    counted        integer NOT NULL,
    -- Viewers of the counted minutes, added up.
    viewer_minutes bigint NOT NULL,
    peak           integer,
    lines          bigint,
    follows        bigint NOT NULL,
    PRIMARY KEY (stream_id, day)
);

-- Whom a stream reached as a whole, and by which way they came. Written once, after its end. No viewer is in it, only counts.
CREATE TABLE stream_audiences (
    stream_id uuid PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    -- Null: Redis knew nothing of it any more.
    viewers   bigint,
    pages     bigint,
    embeds    bigint,
    players   bigint,
    -- Names of hosts that embed or link, with how many came from there, most first: [{"host": "blog.example", "viewers": 3}].
    hosts     jsonb NOT NULL DEFAULT '[]',
    -- From hosts beyond the first fifty.
    others    bigint NOT NULL DEFAULT 0,
    closed_at timestamptz NOT NULL DEFAULT now()
);

-- New followers of a channel in a span of time.
CREATE INDEX follows_by_channel_time ON follows (channel_id, created_at);
-- Streams that are over and whose audience is not written down yet.
CREATE INDEX streams_ended ON streams (ended_at) WHERE status = 'ended';

-- What came of one stream: its minutes, and the days that are left of older ones.
CREATE FUNCTION stream_totals(stream uuid, OUT minutes bigint, OUT counted bigint, OUT viewer_minutes bigint, OUT peak bigint,
                              OUT lines bigint, OUT follows bigint)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(part.minutes), 0)::bigint, coalesce(sum(part.counted), 0)::bigint,
           coalesce(sum(part.viewer_minutes), 0)::bigint, max(part.peak)::bigint, sum(part.lines)::bigint,
           coalesce(sum(part.follows), 0)::bigint
      FROM (SELECT count(*) AS minutes, count(m.viewers) AS counted, sum(m.viewers) AS viewer_minutes, max(m.viewers) AS peak,
                   sum(m.lines) AS lines, sum(m.follows) AS follows
              FROM stream_minutes m
             WHERE m.stream_id = stream
             UNION ALL
            SELECT d.minutes, d.counted, d.viewer_minutes, d.peak, d.lines, d.follows
              FROM stream_days d
             WHERE d.stream_id = stream) AS part
$$;
