-- Links by which a member gives a file, a folder or a recording to people without an account: what each opens, to whom, until when, how
-- often, and who came by. Whoever has a link's token has the link, so only its digest is looked up; the token itself is sealed with the
-- site's secret, for its owner to copy again. Passwords are kept as argon2id hashes.
CREATE TABLE share_links (
    link_id          uuid PRIMARY KEY,
    owner_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash       bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    token_sealed     bytea NOT NULL CHECK (octet_length(token_sealed) BETWEEN 41 AND 200),
    kind             text NOT NULL CHECK (kind IN ('file', 'folder', 'vod')),
    -- Null once what they named is gone: the link is then good for nothing, and its owner still sees it.
    file_id          uuid REFERENCES files ON DELETE SET NULL,
    vod_id           uuid REFERENCES vods ON DELETE SET NULL,
    -- '/a/b/' of the owner's files; it follows when the folder is renamed.
    folder           text CHECK (folder ~ '^/.*[^/]/$'),
    -- What it was called when the link was made, for when it is gone.
    name             text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    permission       text NOT NULL CHECK (permission IN ('view', 'download')),
    password_hash    text CHECK (password_hash LIKE '$argon2id$%'),
    -- Counted up when the password changes: what visitors were given before is over.
    epoch            integer NOT NULL DEFAULT 0,
    expires_at       timestamptz,
    max_accesses     integer CHECK (max_accesses > 0),
    accesses         integer NOT NULL DEFAULT 0 CHECK (accesses >= 0),
    notify_on_access boolean NOT NULL DEFAULT false,
    notified_at      timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    last_access_at   timestamptz,
    revoked_at       timestamptz,
    CHECK ((kind = 'folder') = (folder IS NOT NULL)),
    CHECK (file_id IS NULL OR kind = 'file'),
    CHECK (vod_id IS NULL OR kind = 'vod')
);
CREATE INDEX share_links_by_owner ON share_links (owner_id, link_id DESC);
CREATE INDEX share_links_by_file ON share_links (file_id) WHERE file_id IS NOT NULL;
CREATE INDEX share_links_by_vod ON share_links (vod_id) WHERE vod_id IS NOT NULL;
CREATE INDEX share_links_over ON share_links ((coalesce(revoked_at, expires_at))) WHERE revoked_at IS NOT NULL OR expires_at IS NOT NULL;

-- Who came by a link, coarsely: a network and a kind of program, no address. The latest of each link, for some months.
CREATE TABLE share_accesses (
    access_id uuid PRIMARY KEY,
    link_id   uuid NOT NULL REFERENCES share_links ON DELETE CASCADE,
    at        timestamptz NOT NULL DEFAULT now(),
    outcome   text NOT NULL CHECK (outcome IN ('granted', 'wrong_password', 'expired', 'exhausted', 'revoked', 'gone')),
    -- Such as 203.0.113.0/24.
    network   text NOT NULL CHECK (char_length(network) <= 60),
    -- As its program says of itself: 'phone', 'Android', 'Firefox'.
    device    text NOT NULL CHECK (char_length(device) <= 20),
    system    text CHECK (char_length(system) <= 60),
    browser   text CHECK (char_length(browser) <= 100)
);
CREATE INDEX share_accesses_by_link ON share_accesses (link_id, access_id DESC);
CREATE INDEX share_accesses_by_age ON share_accesses (at);

-- Whether there still is something behind a link: its owner is here, and what it names can be had.
CREATE FUNCTION share_has_thing(link share_links) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM users u WHERE u.user_id = link.owner_id AND NOT u.is_suspended)
       AND CASE WHEN link.kind = 'vod'
                THEN EXISTS (SELECT FROM vods v
                              WHERE v.vod_id = link.vod_id AND v.channel_id = link.owner_id
                                AND v.deleted_at IS NULL AND v.status IN ('recording', 'ready'))
                ELSE EXISTS (SELECT FROM files f
                               JOIN file_versions v ON v.version_id = f.version_id
                               JOIN blobs b ON b.blob_id = v.blob_id AND b.state = 'clean' AND NOT b.is_withheld
                              WHERE f.owner_id = link.owner_id AND f.trashed_at IS NULL
                                AND (f.file_id = link.file_id OR starts_with(f.folder, link.folder)))
           END
$$;
