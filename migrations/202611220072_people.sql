-- What stands between two members: a friendship asked for or made, or a block. One row for an unordered pair, so that two who ask
-- each other at once meet in it, and so that a block and a friendship can never stand side by side.
CREATE TABLE bonds (
    low_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    high_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    friendship  text NOT NULL DEFAULT 'none' CHECK (friendship IN ('none', 'pending', 'accepted')),
    -- Who waits for the other's answer.
    asked_by    uuid,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- Each side's own block, with a time of its own: neither learns from it what the other does.
    low_blocked_at  timestamptz,
    high_blocked_at timestamptz,
    PRIMARY KEY (low_id, high_id),
    CHECK (low_id < high_id),
    CHECK ((friendship = 'pending') = (asked_by IS NOT NULL)),
    CHECK (asked_by IN (low_id, high_id)),
    CONSTRAINT bonds_blocked_are_no_friends CHECK (friendship = 'none' OR coalesce(low_blocked_at, high_blocked_at) IS NULL)
);
CREATE INDEX bonds_by_high ON bonds (high_id);

-- The same from either side: what `user_id` has with `other_id`.
CREATE VIEW bond_sides AS
    SELECT low_id AS user_id, high_id AS other_id, friendship, asked_by, changed_at, low_blocked_at AS blocked_at
      FROM bonds
     UNION ALL
    SELECT high_id, low_id, friendship, asked_by, changed_at, high_blocked_at
      FROM bonds;

-- True when either has blocked the other: nothing of one may reach the other.
CREATE FUNCTION are_apart(one uuid, other uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM bonds
                    WHERE low_id = least(one, other) AND high_id = greatest(one, other)
                      AND coalesce(low_blocked_at, high_blocked_at) IS NOT NULL)
$$;

-- Whom a member lets near. No row: the defaults.
CREATE TABLE privacy (
    user_id         uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- Who may ask for a friendship. 'followed': those whose channel the member follows.
    friend_requests text NOT NULL DEFAULT 'everybody' CHECK (friend_requests IN ('everybody', 'followed', 'nobody'))
);
