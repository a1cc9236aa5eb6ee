-- What playlists for scrubbing and MPEG-DASH need of a segment beside its length: where in it the key frame ends, and at what
-- moment of the stream's media clock it begins. Recordings made before have neither; they are played by HLS without them.
ALTER TABLE vod_segments
    -- Presentation time of the first sample on the stream's media clock, in microseconds.
    ADD COLUMN starts_at_us bigint,
    -- Bytes from the segment's start to the end of its first picture, if that is a key frame.
    ADD COLUMN iframe_bytes bigint CHECK (iframe_bytes > 0);
