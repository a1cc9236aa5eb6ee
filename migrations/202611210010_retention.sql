-- How long recordings are kept and how much a channel may store; what befell a recording that its owner should know of; and
-- which node looks after storage next.
ALTER TABLE channels
    -- Null: the site's. 0: for ever, or without a limit.
    ADD COLUMN keep_days integer CHECK (keep_days BETWEEN 0 AND 36500),
    ADD COLUMN quota_bytes bigint CHECK (quota_bytes >= 0);

ALTER TABLE vods
    -- Why recording stopped while the stream went on.
    ADD COLUMN stop_reason text CHECK (stop_reason IN ('quota')),
    -- When its objects and its rows were last compared.
    ADD COLUMN checked_at timestamptz,
    -- Of a deleted one: when its objects and its segments' rows were seen to be gone.
    ADD COLUMN purged_at timestamptz;
CREATE INDEX vods_unpurged ON vods (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX vods_unchecked ON vods (checked_at NULLS FIRST) WHERE status <> 'recording' AND deleted_at IS NULL;

-- The bucket had lost the object when it was last looked for. The row stays: objects come back, as from a backup.
ALTER TABLE vod_segments ADD COLUMN is_missing boolean NOT NULL DEFAULT false;

-- One node at a time does a round of upkeep.
CREATE TABLE upkeep_turns (
    name     text PRIMARY KEY,
    taken_at timestamptz NOT NULL
);
