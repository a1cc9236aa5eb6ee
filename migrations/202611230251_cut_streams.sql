-- The staff ends a stream: its ingest node finds that at its next heartbeat and hangs up, as it does when an owner is suspended.
ALTER TABLE streams ADD COLUMN cut_at timestamptz;
