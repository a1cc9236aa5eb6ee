-- Who may take a running stream over from its encoder: a publish of higher priority, or, for half a minute after the owner
-- asked for it, the next one.
ALTER TABLE channels
    -- Until when the next encoder may take over. The first publish that is accepted takes it back.
    ADD COLUMN takeover_until timestamptz;
ALTER TABLE publishes
    -- What it is worth against a newcomer: what the encoder said, and at least what the one it replaced by the owner's word was worth.
    ADD COLUMN priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 100);
