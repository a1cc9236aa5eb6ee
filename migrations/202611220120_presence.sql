-- When members were seen last, and who may know it. Who is connected now is in Redis; this is what remains of it.
ALTER TABLE privacy
    ADD COLUMN presence text NOT NULL DEFAULT 'friends' CHECK (presence IN ('friends', 'nobody'));

-- To the minute: written at most once a minute for each member, so it is small, hot, and apart from the account. Of who hides it there is no row.
CREATE TABLE last_seen (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Whether somebody has ever said something in a room: who only opened a conversation with a member must not learn when they are there.
ALTER TABLE room_members ADD COLUMN has_spoken boolean NOT NULL DEFAULT false;
UPDATE room_members m SET has_spoken = true
 WHERE EXISTS (SELECT FROM room_lines l WHERE l.room_id = m.room_id AND l.user_id = m.user_id);

-- Whether `viewer` may know when `member` is there: friends, those who sit in the same group, and those `member` has answered and takes messages
-- from. Who hides it from others does not see theirs; a block hides it from both, and looks like that.
CREATE FUNCTION sees_presence(viewer uuid, member uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT viewer <> member
           AND NOT EXISTS (SELECT FROM privacy WHERE user_id IN (viewer, member) AND presence = 'nobody')
           AND EXISTS (SELECT FROM users WHERE user_id = member AND NOT is_suspended)
           AND NOT are_apart(viewer, member)
           AND (are_friends(viewer, member)
                OR EXISTS (SELECT FROM room_members mine
                             JOIN room_members theirs USING (room_id)
                             JOIN rooms r USING (room_id)
                            WHERE mine.user_id = viewer AND mine.state = 'active'
                              AND theirs.user_id = member AND theirs.state = 'active'
                              AND CASE r.kind
                                  WHEN 'group' THEN r.archived_at IS NULL
                                  ELSE theirs.has_spoken AND takes_messages(member, viewer)
                                  END))
$$;
