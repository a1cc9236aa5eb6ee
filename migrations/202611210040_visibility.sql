-- Not everything is for everybody: who may see a stream and its recording is their owner's choice. A stream begins with its
-- channel's setting and its recording with the stream's. The two functions are the rule for every list and page.
ALTER TABLE channels ADD COLUMN visibility text NOT NULL DEFAULT 'public'
    CHECK (visibility IN ('public', 'unlisted', 'followers', 'private'));
ALTER TABLE streams ADD COLUMN visibility text NOT NULL DEFAULT 'public'
    CHECK (visibility IN ('public', 'unlisted', 'followers', 'private'));
ALTER TABLE vods ADD COLUMN visibility text NOT NULL DEFAULT 'public'
    CHECK (visibility IN ('public', 'unlisted', 'followers', 'private'));

-- Whether a list shows it to this member (NULL: a visitor).
CREATE FUNCTION is_listed_for(visibility text, channel uuid, viewer uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT visibility = 'public'
        OR coalesce(channel = viewer, false)
        OR (visibility = 'followers'
            AND EXISTS (SELECT FROM follows f WHERE f.channel_id = channel AND f.follower_id = viewer))
$$;

-- Whether this member may see it when they know where it is.
CREATE FUNCTION is_visible_to(visibility text, channel uuid, viewer uuid, is_staff boolean) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT visibility = 'unlisted' OR is_staff OR is_listed_for(visibility, channel, viewer)
$$;
