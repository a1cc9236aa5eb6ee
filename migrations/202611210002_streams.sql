-- Streams, the RTMP publishes they are made of, and their recordings.
CREATE TABLE streams (
    stream_id       uuid PRIMARY KEY,
    channel_id      uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    title           text NOT NULL,
    description     text NOT NULL DEFAULT '',
    category_slug   text REFERENCES categories ON UPDATE CASCADE ON DELETE SET NULL,
    tags            text[] NOT NULL DEFAULT '{}',
    status          text NOT NULL CHECK (status IN ('starting', 'live', 'reconnecting', 'ended')),
    -- Grows with each accepted publish. Whoever writes with a lower one is late and is refused.
    epoch           integer NOT NULL DEFAULT 1,
    ingest_node     text NOT NULL,
    heartbeat_at    timestamptz NOT NULL DEFAULT now(),
    reconnect_until timestamptz,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    end_reason      text,
    peak_viewers    bigint NOT NULL DEFAULT 0,
    -- What the machine decided about lower renditions: 'full', 'source-only' and why, shown to the broadcaster.
    renditions_note text,
    CHECK ((status = 'ended') = (ended_at IS NOT NULL)),
    CHECK ((status = 'reconnecting') = (reconnect_until IS NOT NULL))
);

-- Two encoders may hold one key. The database, not the code, decides who is on air.
CREATE UNIQUE INDEX streams_one_slot_per_channel ON streams (channel_id) WHERE status <> 'ended';
CREATE INDEX streams_by_channel ON streams (channel_id, started_at DESC);
CREATE INDEX streams_open ON streams (status, heartbeat_at) WHERE status <> 'ended';

CREATE TABLE publishes (
    publish_id uuid PRIMARY KEY,
    stream_id  uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    epoch      integer NOT NULL,
    addr       text NOT NULL,
    client_id  text NOT NULL,
    -- The publisher's own query arguments, as they came; the operator's hooks get them verbatim.
    args       text NOT NULL DEFAULT '',
    app        text NOT NULL DEFAULT 'live',
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    end_reason text,
    UNIQUE (stream_id, epoch)
);

CREATE TABLE vods (
    vod_id        uuid PRIMARY KEY,
    stream_id     uuid NOT NULL UNIQUE REFERENCES streams ON DELETE CASCADE,
    channel_id    uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    title         text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 140),
    description   text NOT NULL DEFAULT '' CHECK (char_length(description) <= 5000),
    category_slug text REFERENCES categories ON UPDATE CASCADE ON DELETE SET NULL,
    tags          text[] NOT NULL DEFAULT '{}',
    status        text NOT NULL CHECK (status IN ('recording', 'ready', 'failed')),
    fail_reason   text,
    duration_ms   bigint NOT NULL DEFAULT 0,
    byte_size     bigint NOT NULL DEFAULT 0,
    views         bigint NOT NULL DEFAULT 0,
    thumbnail_key text,
    -- Every object of this recording lives below this prefix.
    object_prefix text NOT NULL UNIQUE,
    created_at    timestamptz NOT NULL,
    ready_at      timestamptz,
    deleted_at    timestamptz
);
CREATE INDEX vods_recent ON vods (created_at DESC, vod_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX vods_by_views ON vods (views DESC, vod_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX vods_by_channel ON vods (channel_id, created_at DESC) WHERE deleted_at IS NULL;

-- What a recording consists of. Rows arrive while the stream runs, after the bucket has confirmed the object.
CREATE TABLE vod_renditions (
    vod_id          uuid NOT NULL REFERENCES vods ON DELETE CASCADE,
    name            text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('video', 'audio')),
    codecs          text NOT NULL,
    width           integer,
    height          integer,
    -- Frames per 1,000 seconds: 29.97 is 29970.
    frame_rate_mhz  bigint,
    channels        integer,
    sample_rate     integer,
    PRIMARY KEY (vod_id, name)
);

CREATE TABLE vod_segments (
    vod_id       uuid NOT NULL REFERENCES vods ON DELETE CASCADE,
    rendition    text NOT NULL,
    -- The media sequence number it had live.
    seq          bigint NOT NULL,
    -- A discontinuity precedes this segment.
    is_discontinuity boolean NOT NULL DEFAULT false,
    is_independent boolean NOT NULL DEFAULT true,
    init_key     text NOT NULL,
    object_key   text NOT NULL,
    byte_size    bigint NOT NULL,
    duration_us  bigint NOT NULL CHECK (duration_us > 0),
    program_at   timestamptz NOT NULL,
    sha256       bytea NOT NULL,
    PRIMARY KEY (vod_id, rendition, seq)
);
