-- What playlists for scrubbing and MPEG-DASH need of a segment beside its length: where in it the key frame ends, and at what
-- moment of its track's clock it begins. Recordings made before have neither; they are played by HLS without them.
ALTER TABLE vod_segments
    -- Presentation time of the first sample, in ticks of the track's timescale.
    ADD COLUMN starts_at bigint,
    -- Bytes from the segment's start to the end of its first picture, if that is a key frame.
    ADD COLUMN iframe_bytes bigint CHECK (iframe_bytes > 0);
