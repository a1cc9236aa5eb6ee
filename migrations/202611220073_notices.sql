-- Members say what they want to hear: per channel by its bell, per kind of notification by a choice. A missing choice is the
-- default of the code, so that a new kind needs no rows.
ALTER TABLE follows ADD COLUMN bell text NOT NULL DEFAULT 'all' CHECK (bell IN ('all', 'live_only', 'none'));

CREATE TABLE notification_choices (
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    type      text NOT NULL,
    is_wanted boolean NOT NULL,
    PRIMARY KEY (user_id, type)
);

-- How far a job has come with a channel's followers. It moves in the transaction that writes their notifications: who takes
-- the job over goes on behind the last of them.
CREATE TABLE fanout_places (
    job_id      text PRIMARY KEY,
    follower_id uuid NOT NULL,
    moved_at    timestamptz NOT NULL DEFAULT now()
);
