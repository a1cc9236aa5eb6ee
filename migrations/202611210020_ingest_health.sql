-- How well each broadcaster's media arrived, second by second, for seven days: graphs in the studio, and an answer to
-- "was it me?" on the day after.
--
-- A row is about ten seconds of one stream, and a node inserts the rows of all its streams in one statement. Rows of one
-- second would be ten times the writes; rows of a minute would leave the newest minute out of every page that opens. All
-- seconds are kept, not means of them: ten take less than a kilobyte, and a stall of two seconds is what people look for.
CREATE TABLE ingest_health (
    stream_id uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    began_at  timestamptz NOT NULL,
    -- The seconds, as every reader gets them.
    samples   jsonb NOT NULL,
    -- They as one: means of rates, the worst of everything else. What long ranges are drawn from.
    summary   jsonb NOT NULL,
    -- How bad the summary's verdict is, so that the worst stretch of an hour is found without reading JSON.
    rank      smallint NOT NULL,
    PRIMARY KEY (stream_id, began_at)
);
CREATE INDEX ingest_health_by_age ON ingest_health (began_at);
