-- Small pictures along a recording, shown while its timeline is pointed at. Each row is one sheet in the bucket: pictures
-- one below the other. They are placed by segment, so that their times follow from the segments' as playlists do.
CREATE TABLE vod_sheets (
    vod_id      uuid NOT NULL REFERENCES vods ON DELETE CASCADE,
    -- The segment of the first picture, which gives the object its name.
    seq         bigint NOT NULL,
    -- Of each picture, in pixels, and rows from one to the next.
    tile_width  integer NOT NULL CHECK (tile_width > 0),
    tile_height integer NOT NULL CHECK (tile_height > 0),
    tile_step   integer NOT NULL CHECK (tile_step >= tile_height),
    -- Each picture's segment, and milliseconds from its beginning.
    seqs        bigint[] NOT NULL CHECK (cardinality(seqs) > 0),
    offsets_ms  integer[] NOT NULL CHECK (cardinality(offsets_ms) = cardinality(seqs)),
    byte_size   bigint NOT NULL,
    PRIMARY KEY (vod_id, seq)
);
