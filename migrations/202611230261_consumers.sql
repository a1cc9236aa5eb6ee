-- What each consumer of the outbox has done with an event: its effect and this row commit together, so that an event told twice, or told
-- again to one consumer by hand, has one effect with each. A row goes with its event, a week after it was dispatched.
CREATE TABLE processed_events (
    consumer     text NOT NULL CHECK (char_length(consumer) BETWEEN 1 AND 32),
    event_id     uuid NOT NULL REFERENCES outbox (event_id) ON DELETE CASCADE,
    processed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, consumer)
);

-- Those from before were dispatched to all at once.
INSERT INTO processed_events (consumer, event_id, processed_at)
SELECT consumer, event_id, dispatched_at
  FROM outbox, unnest(ARRAY['jobs', 'webhooks', 'browsers']) AS consumer
 WHERE dispatched_at IS NOT NULL;
