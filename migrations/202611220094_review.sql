-- The operator's own review may keep a line back too. Expand only: the old reasons stay.
ALTER TABLE chat_held DROP CONSTRAINT chat_held_why_check;
ALTER TABLE chat_held ADD CONSTRAINT chat_held_why_check CHECK (why IN ('filter', 'links', 'review'));
