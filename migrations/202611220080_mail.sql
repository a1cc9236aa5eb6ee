-- Mail to members who asked for it and showed that the address is theirs. What is owed is a row, as with pushes.
CREATE TABLE mail_settings (
    user_id           uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- Mail goes out only while this is the member's address: another one has to be confirmed again.
    confirmed_address text,
    language          text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'vi'))
);

-- Which kinds reach a member in which way. A missing choice is the default of the code. What is not wanted in the list
-- (notification_choices) reaches nobody.
CREATE TABLE notification_reaches (
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    type      text NOT NULL,
    reach     text NOT NULL CHECK (reach IN ('push', 'mail')),
    is_wanted boolean NOT NULL,
    PRIMARY KEY (user_id, type, reach)
);

CREATE TABLE mail_deliveries (
    notification_id uuid PRIMARY KEY REFERENCES notifications ON DELETE CASCADE,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- The job that sends it.
    batch_id        uuid NOT NULL,
    claimed_at      timestamptz
);
CREATE INDEX mail_deliveries_by_batch ON mail_deliveries (batch_id);
CREATE INDEX mail_deliveries_by_user ON mail_deliveries (user_id);
