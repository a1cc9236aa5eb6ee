-- What happens to a member who is away. A detail is what a line in their list says besides names: a group's name, how something was
-- decided.
ALTER TABLE notifications ADD COLUMN detail text CHECK (char_length(detail) <= 200);

-- Rooms in which something was said: when that is due, whoever has not read it by then is told.
CREATE TABLE room_tells (
    room_id uuid PRIMARY KEY REFERENCES rooms ON DELETE CASCADE,
    due_at  timestamptz NOT NULL
);
CREATE INDEX room_tells_by_due ON room_tells (due_at);
