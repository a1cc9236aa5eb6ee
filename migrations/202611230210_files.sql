-- Members' files: what each is called and where it lies, its versions, and the bytes behind them.
--
-- A blob is what lies in the bucket below one prefix. It belongs to one member, and to as many versions of that member's files as have the same
-- bytes; of another member's nothing is known to it. It is served once it is clean. Whoever wants one gone says so (gone_at): the objects go
-- first, then the row.
CREATE TABLE blobs (
    blob_id      uuid PRIMARY KEY,
    owner_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- Part of the objects' keys that nobody is told: an id alone opens nothing, in a public bucket either.
    lock         text NOT NULL,
    state        text NOT NULL CHECK (state IN ('taking', 'checking', 'clean', 'gone')),
    -- Of what was sent; known once it was read.
    sha256       bytea CHECK (octet_length(sha256) = 32),
    -- What is in the bucket, or reserved for it: what counts against the member's room.
    stored_bytes bigint NOT NULL CHECK (stored_bytes >= 0),
    -- Of what is served.
    bytes        bigint NOT NULL CHECK (bytes >= 0),
    kind         text NOT NULL DEFAULT 'file' CHECK (kind IN ('image', 'video', 'audio', 'pdf', 'text', 'file')),
    mime         text NOT NULL DEFAULT 'application/octet-stream',
    width        integer,
    height       integer,
    -- Our own encoding is served, and what was sent is gone or goes.
    is_developed boolean NOT NULL DEFAULT false,
    has_thumb    boolean NOT NULL DEFAULT false,
    -- Too large for the scanner, or there is none: nothing of it is served but what is made of it.
    is_withheld  boolean NOT NULL DEFAULT false,
    -- The store's name of an upload in parts that is under way.
    multipart    text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- When somebody has to look at it next; null: nothing is owed.
    due_at       timestamptz
);
CREATE INDEX blobs_by_owner ON blobs (owner_id) WHERE state <> 'gone';
CREATE INDEX blobs_due ON blobs (due_at) WHERE due_at IS NOT NULL;
-- A member's same bytes are kept once.
CREATE UNIQUE INDEX blobs_by_bytes ON blobs (owner_id, sha256) WHERE state = 'clean';

CREATE TABLE files (
    file_id    uuid PRIMARY KEY,
    owner_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- '/', or '/a/b/'.
    folder     text NOT NULL CHECK (folder = '/' OR folder ~ '^/.*[^/]/$'),
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 255),
    visibility text NOT NULL CHECK (visibility IN ('private', 'unlisted', 'public')),
    tags       text[] NOT NULL DEFAULT '{}',
    -- The number of its newest version, and the version that is served. None is before the first is complete.
    versions   integer NOT NULL DEFAULT 0,
    version_id uuid,
    -- Of what is served, or of what is on its way: what lists are sorted and narrowed by.
    kind       text NOT NULL DEFAULT 'file' CHECK (kind IN ('image', 'video', 'audio', 'pdf', 'text', 'file')),
    bytes      bigint NOT NULL,
    -- What its video became.
    vod_id     uuid REFERENCES vods ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    trashed_at timestamptz
);
-- A name stands once in a folder, in whatever case. What lies in the trash keeps no name from others.
CREATE UNIQUE INDEX files_by_name ON files (owner_id, folder, lower(name)) WHERE trashed_at IS NULL;
CREATE INDEX files_recent ON files (owner_id, changed_at DESC, file_id DESC);
CREATE INDEX files_named ON files (owner_id, lower(name), file_id);
CREATE INDEX files_large ON files (owner_id, bytes DESC, file_id DESC);
CREATE INDEX files_trashed ON files (trashed_at) WHERE trashed_at IS NOT NULL;
CREATE INDEX files_of_vod ON files (vod_id) WHERE vod_id IS NOT NULL;

CREATE TABLE file_versions (
    version_id  uuid PRIMARY KEY,
    file_id     uuid NOT NULL REFERENCES files ON DELETE CASCADE,
    number      integer NOT NULL CHECK (number > 0),
    -- None once its bytes are gone.
    blob_id     uuid REFERENCES blobs ON DELETE SET NULL,
    state       text NOT NULL CHECK (state IN ('uploading', 'queued', 'processing', 'completed', 'duplicate', 'virus_failed', 'failed', 'cancelled')),
    -- Hundredths of what is being done to it.
    progress    smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    fail_code   text,
    -- As they were declared.
    name        text NOT NULL,
    mime        text NOT NULL,
    bytes       bigint NOT NULL CHECK (bytes > 0),
    part_bytes  bigint,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now(),
    -- By when it has to be here, or to be done.
    expires_at  timestamptz,
    UNIQUE (file_id, number)
);
CREATE INDEX file_versions_by_blob ON file_versions (blob_id) WHERE blob_id IS NOT NULL;
CREATE INDEX file_versions_open ON file_versions (expires_at) WHERE state IN ('uploading', 'queued', 'processing');
ALTER TABLE files ADD FOREIGN KEY (version_id) REFERENCES file_versions ON DELETE SET NULL;
