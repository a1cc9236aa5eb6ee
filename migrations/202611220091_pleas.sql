-- Who is banned from a channel's chat may ask to be let in again, once at a time for each ban.
CREATE TABLE unban_requests (
    request_id  uuid PRIMARY KEY,
    channel_id  uuid NOT NULL REFERENCES channels ON DELETE CASCADE,
    user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- The ban it is about. When that is lifted otherwise the request waits for nothing, and is not shown.
    ban_id      uuid NOT NULL,
    text        text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 500),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'denied')),
    asked_at    timestamptz NOT NULL DEFAULT now(),
    -- The act that decided, to take it back by.
    act_id      uuid,
    decided_by  text,
    decided_at  timestamptz,
    answer      text NOT NULL DEFAULT '' CHECK (char_length(answer) <= 500)
);
CREATE UNIQUE INDEX unban_requests_open ON unban_requests (channel_id, user_id, ban_id) WHERE state = 'open';
CREATE INDEX unban_requests_waiting ON unban_requests (channel_id, request_id) WHERE state = 'open';
CREATE INDEX unban_requests_by_member ON unban_requests (channel_id, user_id, request_id DESC);
CREATE INDEX unban_requests_by_act ON unban_requests (act_id) WHERE act_id IS NOT NULL;
