-- Looking for channels, recordings and one's own files. Each has a document: its words as `domain::search` keeps them (without case and marks,
-- each behind a mark of what it is of, those of names behind another as well), written by a consumer of the outbox. A document says where to look, never who may see: what is found
-- is shown if its own row says so.
CREATE TABLE search_documents (
    kind       text NOT NULL CHECK (kind IN ('channel', 'vod', 'file')),
    subject_id uuid NOT NULL,
    owner_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- As the subject's, or 'private' while it is in no list but its owner's.
    visibility text NOT NULL CHECK (visibility IN ('public', 'unlisted', 'followers', 'private')),
    -- Its owner is suspended or has closed the account.
    is_hidden  boolean NOT NULL DEFAULT false,
    -- What it is called, as a whole question is compared with it.
    titles     text[] NOT NULL,
    words      tsvector NOT NULL,
    PRIMARY KEY (kind, subject_id)
);
CREATE INDEX search_documents_words ON search_documents USING gin (words);
CREATE INDEX search_documents_by_owner ON search_documents (owner_id);

-- What there is already: near enough to the program's own way (`rillcast search rebuild` does it exactly).
CREATE FUNCTION pg_temp.folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT translate(lower(regexp_replace(normalize($1, NFKD), '[\u0300-\u036f]', '', 'g')), 'đłø', 'dlo')
$$;
CREATE FUNCTION pg_temp.title(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT trim(regexp_replace(pg_temp.folded($1), '[^[:alnum:]]+', ' ', 'g'))
$$;
CREATE FUNCTION pg_temp.marked(text, text, "char") RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT setweight(to_tsvector('simple', regexp_replace(pg_temp.title(left($2, 2000)), '([^ ]+)', $1 || '\1', 'g')), $3)
$$;

INSERT INTO search_documents (kind, subject_id, owner_id, visibility, is_hidden, titles, words)
SELECT 'channel', u.user_id, u.user_id, 'public', u.is_suspended,
       ARRAY[pg_temp.title(u.username), pg_temp.title(u.display_name)],
       pg_temp.marked('c', u.username || ' ' || u.display_name, 'A') || pg_temp.marked('d', u.username || ' ' || u.display_name, 'A')
           || pg_temp.marked('c', u.bio, 'D')
  FROM users u
  JOIN channels c ON c.channel_id = u.user_id;

INSERT INTO search_documents (kind, subject_id, owner_id, visibility, is_hidden, titles, words)
SELECT 'vod', v.vod_id, v.channel_id, CASE WHEN v.status IN ('failed', 'processing') THEN 'private' ELSE v.visibility END, u.is_suspended,
       ARRAY[pg_temp.title(v.title)],
       pg_temp.marked('v', v.title, 'A') || pg_temp.marked('w', v.title, 'A')
           || pg_temp.marked('v', array_to_string(v.tags, ' '), 'B')
           || pg_temp.marked('v', u.username || ' ' || u.display_name, 'C') || pg_temp.marked('v', v.description, 'D')
  FROM vods v
  JOIN users u ON u.user_id = v.channel_id
  LEFT JOIN streams s ON s.stream_id = v.stream_id
 WHERE v.deleted_at IS NULL AND s.status IS DISTINCT FROM 'starting';

INSERT INTO search_documents (kind, subject_id, owner_id, visibility, titles, words)
SELECT 'file', f.file_id, f.owner_id, f.visibility, ARRAY[pg_temp.title(f.name)],
       pg_temp.marked('f' || m.mark, f.name, 'A') || pg_temp.marked('g' || m.mark, f.name, 'A')
           || pg_temp.marked('f' || m.mark, array_to_string(f.tags, ' '), 'B')
  FROM files f
 CROSS JOIN LATERAL (SELECT right(replace(f.owner_id::text, '-', ''), 12) AS mark) AS m
 WHERE f.trashed_at IS NULL;
