-- Files that members bring along become recordings. Such a recording was never a stream: it has no row there, and is `processing`
-- until its media lies in the bucket as every recording's does.
ALTER TABLE vods ALTER COLUMN stream_id DROP NOT NULL;
ALTER TABLE vods DROP CONSTRAINT vods_status_check;
ALTER TABLE vods ADD CONSTRAINT vods_status_check CHECK (status IN ('recording', 'processing', 'ready', 'failed'));

-- The work of making one. A node does it under a lease; the fence says whose word counts.
CREATE TABLE vod_imports (
    vod_id        uuid PRIMARY KEY REFERENCES vods ON DELETE CASCADE,
    -- An object of the bucket that does not change. Not below the recording's own prefix: it belongs to whoever queued this.
    source_key    text NOT NULL,
    source_bytes  bigint NOT NULL CHECK (source_bytes > 0),
    -- What it is by its first bytes: the one parser that is let at it.
    container     text NOT NULL CHECK (container IN ('mp4', 'mov', 'matroska', 'webm')),
    state         text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    -- Of a thousand.
    progress      smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1000),
    -- Nodes that began it since it was queued.
    attempts      smallint NOT NULL DEFAULT 0,
    -- Grows with each node that takes it.
    fence         bigint NOT NULL DEFAULT 0,
    node          text,
    -- Nobody else takes it until then.
    lease_until   timestamptz,
    -- It has ended otherwise than well, and what it had stored is still to be taken away.
    owes_cleanup  boolean NOT NULL DEFAULT false,
    fail_code     text,
    queued_at     timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    ended_at      timestamptz
);
CREATE INDEX vod_imports_due ON vod_imports (queued_at) WHERE state IN ('queued', 'running') OR owes_cleanup;
