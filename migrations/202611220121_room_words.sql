-- Looking for what was said in rooms. A message's words are kept as `domain::words` finds them (without case and marks), each behind a mark of its
-- room: what a member looks for costs what their own rooms hold, not what the site does.
ALTER TABLE room_messages ADD COLUMN words tsvector NOT NULL DEFAULT '';

-- What was said before this: near enough to the program's own way.
UPDATE room_messages m
   SET words = (SELECT array_to_tsvector(coalesce(array_agg(DISTINCT right(replace(m.room_id::text, '-', ''), 12) || left(word, 32)), '{}'))
                  FROM regexp_split_to_table(translate(lower(regexp_replace(normalize(m.text, NFKD), '[\u0300-\u036f]', '', 'g')), 'đłø', 'dlo'),
                                             '[^[:alnum:]]+') AS word
                 WHERE word <> '')
 WHERE deleted_at IS NULL;

CREATE INDEX room_messages_words ON room_messages USING gin (words) WHERE deleted_at IS NULL;
