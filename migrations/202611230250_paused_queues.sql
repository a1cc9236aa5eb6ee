-- An administrator stops a queue for a while, such as while members' servers or the mail server are repaired. Every node's workers look
-- here, so a pause holds everywhere and survives restarts. What is not here runs.
CREATE TABLE paused_queues (
    queue     text PRIMARY KEY,
    paused_by text NOT NULL,
    reason    text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now()
);
