-- How a member likes the moderators' page: the same in each of their browsers. What it says is the page's business.
CREATE TABLE mod_layouts (
    user_id    uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    layout     jsonb NOT NULL CHECK (octet_length(layout::text) <= 16384),
    updated_at timestamptz NOT NULL DEFAULT now()
);
