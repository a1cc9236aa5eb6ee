-- Moments of recordings that somebody cut out to show them. A clip is a span of its recording's own time and has no bytes: it is
-- played from the recording's segments and goes with it. Whoever may see the recording may see its clips.
CREATE TABLE clips (
    clip_id    uuid PRIMARY KEY,
    vod_id     uuid NOT NULL REFERENCES vods ON DELETE CASCADE,
    -- The recording's, which never changes.
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    creator_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 100),
    -- Milliseconds from the recording's beginning.
    start_ms   bigint NOT NULL CHECK (start_ms >= 0),
    end_ms     bigint NOT NULL,
    views      bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    CHECK (end_ms - start_ms BETWEEN 5000 AND 90000)
);
CREATE INDEX clips_recent ON clips (created_at DESC, clip_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX clips_by_views ON clips (views DESC, clip_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX clips_by_channel ON clips (channel_id, created_at DESC, clip_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX clips_by_vod ON clips (vod_id, created_at DESC, clip_id DESC) WHERE deleted_at IS NULL;
CREATE INDEX clips_by_creator ON clips (creator_id, vod_id) WHERE deleted_at IS NULL;

-- Who may make clips of a channel's recordings.
ALTER TABLE channels ADD COLUMN clips text NOT NULL DEFAULT 'everybody'
    CHECK (clips IN ('everybody', 'followers', 'moderators', 'nobody'));
