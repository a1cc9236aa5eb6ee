-- Who keeps order in a channel's chat, the rules that hold there, who may not speak, and what was done by whom.
CREATE TABLE channel_moderators (
    channel_id   uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    appointed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel_id, user_id),
    CHECK (channel_id <> user_id)
);
CREATE INDEX channel_moderators_by_user ON channel_moderators (user_id);

-- A channel's modes. A channel without a row has none. Acts lock the row: two moderators at once are one after the other.
CREATE TABLE chat_modes (
    channel_id       uuid PRIMARY KEY REFERENCES channels ON DELETE CASCADE,
    slow_s           integer NOT NULL DEFAULT 0 CHECK (slow_s BETWEEN 0 AND 3600),
    followers_only_s integer CHECK (followers_only_s BETWEEN 0 AND 7776000),
    is_emote_only    boolean NOT NULL DEFAULT false,
    is_unique        boolean NOT NULL DEFAULT false,
    links            text NOT NULL DEFAULT 'allow' CHECK (links IN ('allow', 'block', 'hold')),
    is_shielded      boolean NOT NULL DEFAULT false,
    -- Changes with the filters, so that a node compiles them once and not at every look.
    filters_version  bigint NOT NULL DEFAULT 0
);

CREATE TABLE chat_filters (
    filter_id  uuid PRIMARY KEY,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('words', 'regex')),
    pattern    text NOT NULL CHECK (char_length(pattern) BETWEEN 1 AND 200),
    -- What becomes of a line it matches: not taken, or kept back for a moderator.
    action     text NOT NULL DEFAULT 'refuse' CHECK (action IN ('refuse', 'hold')),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel_id, kind, pattern)
);

-- What stands against a member now: one thing at a time. What stood before is in the log.
CREATE TABLE chat_sanctions (
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    act_id     uuid NOT NULL,
    -- NULL: a ban.
    ends_at    timestamptz,
    reason     text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    imposed_by uuid NOT NULL,
    imposed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel_id, user_id)
);

-- A warning stands until its member has read it.
CREATE TABLE chat_warnings (
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    act_id     uuid NOT NULL,
    reason     text NOT NULL DEFAULT '' CHECK (char_length(reason) <= 500),
    warned_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel_id, user_id)
);

-- Everything a moderator did, for good: names as they were then, and no foreign keys, so that nothing that is deleted takes it along.
CREATE TABLE mod_log (
    act_id     uuid PRIMARY KEY,
    channel_id uuid NOT NULL,
    actor_id   uuid NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL,
    target_id  uuid,
    target     text,
    reason     text NOT NULL DEFAULT '',
    detail     jsonb NOT NULL DEFAULT '{}',
    -- The act this one took back. An act is taken back once, whoever is faster.
    undoes     uuid UNIQUE REFERENCES mod_log,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mod_log_by_channel ON mod_log (channel_id, act_id DESC);
CREATE INDEX mod_log_by_target ON mod_log (channel_id, target_id, act_id DESC) WHERE target_id IS NOT NULL;

CREATE FUNCTION mod_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log of moderation is never changed';
END $$;
CREATE TRIGGER mod_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mod_log
    FOR EACH STATEMENT EXECUTE FUNCTION mod_log_is_append_only();

-- Lines kept back until a moderator has looked at them. What was decided stays for a day.
CREATE TABLE chat_held (
    held_id    uuid PRIMARY KEY,
    channel_id uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    text       text NOT NULL,
    client_id  text NOT NULL,
    reply_to   uuid,
    thread_id  uuid,
    why        text NOT NULL CHECK (why IN ('filter', 'links')),
    state      text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'approved', 'denied', 'expired')),
    -- The act that decided, to take it back by.
    act_id     uuid,
    held_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- A client that sends again after a lost answer has one line waiting, and not two.
    UNIQUE (user_id, client_id)
);
CREATE INDEX chat_held_waiting ON chat_held (channel_id, held_id) WHERE state = 'waiting';
CREATE INDEX chat_held_expiring ON chat_held (expires_at);
