-- What members report: one case for each thing while it is open, and everybody's voice in it once.
CREATE TABLE report_cases (
    case_id      uuid PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('line', 'member', 'recording', 'stream')),
    -- The id of what is reported. It may be gone before somebody has looked.
    thing_id     uuid NOT NULL,
    -- Where a line was said; whose recording or stream it is.
    channel_id   uuid REFERENCES channels ON DELETE CASCADE,
    -- Whose deed it is, as they were called then.
    accused_id   uuid NOT NULL,
    accused      text NOT NULL,
    -- What was said, or the title, as it was when the case was opened.
    excerpt      text NOT NULL DEFAULT '',
    said_at      timestamptz,
    -- Who decides: the channel's moderators, or the site's.
    desk         text NOT NULL CHECK (desk IN ('channel', 'site')),
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'dismissed')),
    voices       integer NOT NULL DEFAULT 1,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    escalated_by text,
    decided_by   text,
    decided_at   timestamptz,
    answer       text NOT NULL DEFAULT '' CHECK (char_length(answer) <= 500),
    CHECK (desk = 'site' OR channel_id IS NOT NULL),
    CHECK ((state = 'open') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX report_cases_open ON report_cases (kind, thing_id) WHERE state = 'open';
CREATE INDEX report_cases_of_channel ON report_cases (channel_id, state, case_id DESC) WHERE desk = 'channel';
CREATE INDEX report_cases_of_site ON report_cases (state, case_id DESC) WHERE desk = 'site';

CREATE TABLE report_voices (
    case_id     uuid NOT NULL REFERENCES report_cases ON DELETE CASCADE,
    reporter_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    reason      text NOT NULL,
    note        text NOT NULL DEFAULT '' CHECK (char_length(note) <= 500),
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (case_id, reporter_id)
);
CREATE INDEX report_voices_by_reporter ON report_voices (reporter_id);
