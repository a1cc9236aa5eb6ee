-- Members are told of what others do to them somewhere: who it was, and in whose channel. A mention is about a line that may lie in
-- another store, so that nothing can be looked up by its id.
ALTER TABLE notifications
    ADD COLUMN actor_id   uuid REFERENCES users ON DELETE CASCADE,
    ADD COLUMN channel_id uuid REFERENCES channels ON DELETE CASCADE;
-- How much others were told of a member lately.
CREATE INDEX notifications_by_actor ON notifications (actor_id, created_at) WHERE actor_id IS NOT NULL;
CREATE INDEX notifications_by_channel ON notifications (channel_id) WHERE channel_id IS NOT NULL;
