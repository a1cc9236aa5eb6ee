-- Members, their sign-ins and their channels. A channel is its owner: one row each, same id.
CREATE TABLE users (
    user_id       uuid PRIMARY KEY,
    username      text NOT NULL UNIQUE CHECK (username ~ '^[a-z0-9_]{3,30}$'),
    display_name  text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 50),
    email         text NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash text NOT NULL,
    role          text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin')),
    bio           text NOT NULL DEFAULT '' CHECK (char_length(bio) <= 1000),
    avatar_key    text,
    is_suspended  boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- One sign-in on one device. Its refresh tokens form a family that dies together.
CREATE TABLE sessions (
    session_id    uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    user_agent    text NOT NULL DEFAULT '',
    addr          text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    revoke_reason text CHECK (revoke_reason IN ('logout', 'reuse', 'password', 'admin'))
);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE revoked_at IS NULL;

-- Only hashes are kept. A used token keeps its successor for the grace that forgives a lost answer (reliability E3):
-- the successor is sealed, so that the same client gets the same token and a thief's second use is still seen.
CREATE TABLE refresh_tokens (
    token_hash       bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    session_id       uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    issued_at        timestamptz NOT NULL DEFAULT now(),
    used_at          timestamptz,
    successor_sealed bytea
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE categories (
    slug          text PRIMARY KEY CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    description   text NOT NULL DEFAULT '' CHECK (char_length(description) <= 500),
    thumbnail_key text,
    tags          text[] NOT NULL DEFAULT '{}',
    position      integer NOT NULL DEFAULT 0
);

INSERT INTO categories (slug, name, description, tags, position) VALUES
    ('just-chatting', 'Just Chatting', 'Talk with the people watching.', '{talk,irl}', 10),
    ('games', 'Games', 'Playing, speedrunning and esports.', '{gaming}', 20),
    ('music', 'Music', 'Performances, practice and production.', '{live,instruments}', 30),
    ('software', 'Software and Making', 'Programming, electronics and building things.', '{coding,diy}', 40),
    ('art', 'Art', 'Drawing, painting, 3D and crafts.', '{creative}', 50),
    ('education', 'Education', 'Lectures, lessons and studying together.', '{learning}', 60),
    ('sports', 'Sports', 'Matches, training and fitness.', '{fitness}', 70),
    ('events', 'Events', 'Conferences, ceremonies and meetings.', '{talks}', 80);

-- The key's digest finds the channel; the sealed copy lets its owner see it again.
CREATE TABLE channels (
    channel_id        uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    stream_key_hash   bytea NOT NULL UNIQUE CHECK (octet_length(stream_key_hash) = 32),
    stream_key_sealed bytea NOT NULL,
    key_rotated_at    timestamptz NOT NULL DEFAULT now(),
    title             text NOT NULL DEFAULT '' CHECK (char_length(title) <= 140),
    description       text NOT NULL DEFAULT '' CHECK (char_length(description) <= 5000),
    category_slug     text REFERENCES categories ON UPDATE CASCADE ON DELETE SET NULL,
    tags              text[] NOT NULL DEFAULT '{}',
    followers_count   bigint NOT NULL DEFAULT 0 CHECK (followers_count >= 0)
);

CREATE TABLE follows (
    channel_id  uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    follower_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel_id, follower_id),
    CHECK (channel_id <> follower_id)
);
CREATE INDEX follows_by_follower ON follows (follower_id, created_at DESC);

-- The count changes in the statement that changes the rows, so the two cannot disagree.
CREATE FUNCTION follows_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE channels SET followers_count = followers_count + 1 WHERE channel_id = NEW.channel_id;
    ELSE
        UPDATE channels SET followers_count = followers_count - 1 WHERE channel_id = OLD.channel_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follows_count AFTER INSERT OR DELETE ON follows FOR EACH ROW EXECUTE FUNCTION follows_count();
