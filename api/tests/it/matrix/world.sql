-- One member's world, for the matrix: alice owns one of everything. {word} is an id of its own, {@word} somebody's name, {#word} a value of the test.
INSERT INTO users (user_id, username, display_name, email, password_hash, role, is_barred)
SELECT id::uuid, name, name, name || '@mail.test', '{#hash}', role, barred
  FROM (VALUES ('{alice}', '{@alice}', 'user', false), ('{olga}', '{@olga}', 'user', false), ('{mona}', '{@mona}', 'user', false),
               ('{sam}', '{@sam}', 'moderator', false), ('{ada}', '{@ada}', 'admin', false), ('{tom}', '{@tom}', 'user', false),
               ('{zed}', '{@zed}', 'user', true), ('{pip}', '{@pip}', 'user', false)) AS people (id, name, role, barred);
INSERT INTO channels (channel_id, stream_key_hash, stream_key_sealed)
SELECT id::uuid, sha256(id::bytea), decode(sealed, 'hex')
  FROM (VALUES ('{alice}', '{#key_of_alice}'), ('{olga}', '{#key_of_olga}'), ('{mona}', '{#key_of_mona}'), ('{sam}', '{#key_of_sam}'),
               ('{ada}', '{#key_of_ada}'), ('{tom}', ''), ('{zed}', ''), ('{pip}', '')) AS people (id, sealed);
INSERT INTO sessions (session_id, user_id, expires_at)
SELECT session::uuid, id::uuid, now() + interval '1 day'
  FROM (VALUES ('{sign_in_of_alice}', '{alice}'), ('{sign_in_of_olga}', '{olga}'), ('{sign_in_of_mona}', '{mona}'),
               ('{sign_in_of_sam}', '{sam}'), ('{sign_in_of_ada}', '{ada}'), ('{sign_in_of_tom}', '{tom}'),
               ('{sign_in}', '{alice}')) AS sign_ins (session, id);
INSERT INTO two_factor (user_id, secret, confirmed_at) VALUES ('{tom}', sha256('s'), now());
INSERT INTO channel_moderators (channel_id, user_id) VALUES ('{alice}', '{mona}');
INSERT INTO categories (slug, name) VALUES ('games', 'Games') ON CONFLICT DO NOTHING;
INSERT INTO categories (slug, name) VALUES ('{empty}', 'Empty');

-- What is live, and what was: one stream for everybody, one for nobody else.
INSERT INTO streams (stream_id, channel_id, title, status, ingest_node, started_at, ended_at, visibility)
VALUES ('{live}', '{alice}', 'now', 'live', 'n', now(), NULL, 'public'),
       ('{stream}', '{alice}', 'then', 'ended', 'n', now() - interval '1 hour', now(), 'private'),
       ('{open_stream}', '{alice}', 'then', 'ended', 'n', now() - interval '1 hour', now(), 'public');
INSERT INTO publishes (publish_id, stream_id, epoch, addr, client_id, started_at) VALUES ('{publish}', '{live}', 1, '', 'c', now());
INSERT INTO vods (vod_id, stream_id, channel_id, title, status, object_prefix, created_at, duration_ms, visibility, thumbnail_key)
VALUES ('{vod}', '{stream}', '{alice}', 'then', 'ready', 'vod/{vod}/', now(), 60000, 'private', 'vod/{vod}/thumbnail.jpg'),
       ('{open_vod}', '{open_stream}', '{alice}', 'then', 'ready', 'vod/{open_vod}/', now(), 60000, 'public', 'vod/{open_vod}/thumbnail.jpg'),
       ('{importing}', NULL, '{alice}', 'film', 'processing', 'vod/{importing}/', now(), 0, 'private', NULL),
       ('{broken}', NULL, '{alice}', 'film', 'failed', 'vod/{broken}/', now(), 0, 'private', NULL);
INSERT INTO vod_imports (vod_id, source_key, source_bytes, container, state, fail_code, ended_at)
VALUES ('{importing}', 'imports/{importing}', 9, 'mp4', 'queued', NULL, NULL),
       ('{broken}', 'imports/{broken}', 9, 'mp4', 'failed', 'import.unreadable', now());
INSERT INTO vod_renditions (vod_id, name, kind, codecs, width, height)
SELECT vod_id, 'source', 'video', 'avc1.64001f', 1280, 720 FROM vods WHERE vod_id IN ('{vod}', '{open_vod}');
INSERT INTO vod_segments (vod_id, rendition, seq, is_independent, init_key, object_key, byte_size, duration_us, program_at, sha256, starts_at_us)
SELECT v.vod_id, 'source', n, true, 'vod/' || v.vod_id || '/source/init0.mp4', 'vod/' || v.vod_id || '/source/seg' || n || '.m4s', 9, 2000000,
       now(), sha256(''), n * 2000000
  FROM vods v, generate_series(0, 29) AS n WHERE v.vod_id IN ('{vod}', '{open_vod}');
INSERT INTO vod_sheets (vod_id, seq, tile_width, tile_height, tile_step, seqs, offsets_ms, byte_size)
SELECT vod_id, 0, 160, 90, 96, '{0}', '{0}', 9 FROM vods WHERE vod_id IN ('{vod}', '{open_vod}');
INSERT INTO clips (clip_id, vod_id, channel_id, creator_id, title, start_ms, end_ms)
VALUES ('{clip}', '{vod}', '{alice}', '{alice}', 'drop', 0, 8000), ('{open_clip}', '{open_vod}', '{alice}', '{alice}', 'drop', 0, 8000);
INSERT INTO emotes (emote_id, channel_id, name) VALUES ('{emote}', '{alice}', 'wave');

-- Files: one that is there, one on its way, one in the trash, one that is looked into.
INSERT INTO blobs (blob_id, owner_id, lock, state, sha256, stored_bytes, bytes, kind, mime, width, height, has_thumb, multipart)
VALUES ('{blob}', '{alice}', 'l', 'clean', sha256('{blob}'), 9, 9, 'image', 'image/webp', 1, 1, true, NULL),
       ('{coming_blob}', '{alice}', 'l', 'taking', NULL, 9, 9, 'file', 'text/plain', NULL, NULL, false, 'm'),
       ('{queued_blob}', '{alice}', 'l', 'checking', NULL, 9, 9, 'file', 'text/plain', NULL, NULL, false, NULL),
       ('{old_blob}', '{alice}', 'l', 'clean', sha256('{old_blob}'), 9, 9, 'text', 'text/plain', NULL, NULL, false, NULL);
INSERT INTO files (file_id, owner_id, folder, name, visibility, versions, bytes, kind, trashed_at)
VALUES ('{file}', '{alice}', '/old/', 'a.webp', 'private', 2, 9, 'image', NULL), ('{coming}', '{alice}', '/', 'b.txt', 'private', 1, 9, 'file', NULL),
       ('{queued}', '{alice}', '/', 'c.txt', 'private', 1, 9, 'file', NULL), ('{trashed}', '{alice}', '/', 'd.txt', 'private', 1, 9, 'text', now());
INSERT INTO file_versions (version_id, file_id, number, blob_id, state, progress, name, mime, bytes, part_bytes, expires_at)
VALUES ('{first}', '{file}', 1, '{old_blob}', 'completed', 100, 'a.webp', 'text/plain', 9, NULL, NULL),
       ('{second}', '{file}', 2, '{blob}', 'completed', 100, 'a.webp', 'image/webp', 9, NULL, NULL),
       ('{upload}', '{coming}', 1, '{coming_blob}', 'uploading', 0, 'b.txt', 'text/plain', 9, 5242880, now() + interval '1 hour'),
       ('{waiting}', '{queued}', 1, '{queued_blob}', 'queued', 0, 'c.txt', 'text/plain', 9, NULL, NULL),
       ('{gone}', '{trashed}', 1, '{old_blob}', 'completed', 100, 'd.txt', 'text/plain', 9, NULL, NULL);
UPDATE files SET version_id = '{second}' WHERE file_id = '{file}';
UPDATE files SET version_id = '{gone}' WHERE file_id = '{trashed}';

-- Rooms, friends, news.
INSERT INTO rooms (room_id, kind, name) VALUES ('{room}', 'group', 'ours'), ('{invited}', 'group', 'theirs');
INSERT INTO room_members (room_id, user_id, role)
VALUES ('{room}', '{alice}', 'owner'), ('{room}', '{tom}', 'member'), ('{invited}', '{tom}', 'owner');
INSERT INTO bonds (low_id, high_id, friendship)
SELECT least(a::uuid, b::uuid), greatest(a::uuid, b::uuid), 'accepted'
  FROM (VALUES ('{alice}', '{tom}'), ('{alice}', '{pip}')) AS pairs (a, b);
INSERT INTO room_invites (room_id, user_id, invited_by) VALUES ('{invited}', '{alice}', '{tom}');
INSERT INTO room_lines (message_id, room_id, user_id, excerpt, sent_at) VALUES ('{line}', '{room}', '{alice}', '', now());
INSERT INTO attachments (attachment_id, room_id, user_id, lock, kind, name, mime, thumb_mime, bytes, width, height, sha256, stored_bytes,
                         has_upload, state, message_id, client_id, bound_at)
VALUES ('{attachment}', '{room}', '{alice}', 'l', 'image', 'a.webp', 'image/webp', 'image/webp', 9, 1, 1, sha256(''), 9, false, 'ready',
        '{line}', 'c', now()),
       ('{loose}', '{room}', '{alice}', 'l', 'file', 'a.txt', 'text/plain', NULL, 9, NULL, NULL, sha256(''), 9, false, 'ready', NULL, NULL, NULL);
INSERT INTO notifications (notification_id, user_id, type, message, entity_type, entity_id)
VALUES ('{notification}', '{alice}', 'new_follower', 'm', 'user', '{tom}');
INSERT INTO push_subscriptions (subscription_id, user_id, endpoint, public_key, auth, label)
VALUES ('{device}', '{alice}', 'https://push.test/{device}', decode(repeat('00', 65), 'hex'), decode(repeat('00', 16), 'hex'), 'phone');
INSERT INTO webhooks (webhook_id, channel_id, url, secret) VALUES ('{webhook}', '{alice}', 'https://1.1.1.1/hook', '');
INSERT INTO webhook_deliveries (delivery_id, webhook_id, event_id, type, sequence, body, state)
VALUES ('{delivery}', '{webhook}', '{event}', 'vod.ready', 1, '{}', 'delivered');

-- The queues: one job that failed for good, one that waits until later; one queue is paused.
INSERT INTO apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at)
SELECT id, 'rillcast', convert_to('{"job": "send_mails", "batch_id": "{batch}"}', 'UTF8'), status, attempts, 25, now() + interval '1 hour'
  FROM (VALUES ('{dead}', 'Failed', 25), ('{later}', 'Pending', 0)) AS jobs (id, status, attempts);
INSERT INTO paused_queues (queue, paused_by, reason) VALUES ('rillcast-webhooks', 'x', 'x') ON CONFLICT DO NOTHING;

-- Order in alice's chat, and at the site's desk.
INSERT INTO chat_messages (message_id, channel_id, user_id, username, display_name, text, client_id, sent_at)
VALUES ('{said}', '{alice}', '{tom}', '{@tom}', 'x', 'words', '{said}', now());
INSERT INTO chat_sanctions (channel_id, user_id, act_id, imposed_by, reason) VALUES ('{alice}', '{pip}', '{ban}', '{alice}', 'spam');
INSERT INTO unban_requests (request_id, channel_id, user_id, ban_id, text) VALUES ('{plea}', '{alice}', '{pip}', '{ban}', 'sorry');
INSERT INTO chat_filters (filter_id, channel_id, kind, pattern, created_by) VALUES ('{filter}', '{alice}', 'words', 'bad', '{alice}');
INSERT INTO chat_notes (note_id, channel_id, user_id, written_by, writer, text) VALUES ('{note}', '{alice}', '{tom}', '{alice}', '{@alice}', 'n');
INSERT INTO report_cases (case_id, kind, thing_id, channel_id, accused_id, accused, desk)
VALUES ('{case}', 'line', '{said}', '{alice}', '{tom}', '{@tom}', 'channel'), ('{site_case}', 'member', '{tom}', NULL, '{tom}', '{@tom}', 'site');
INSERT INTO report_voices (case_id, reporter_id, reason) VALUES ('{case}', '{pip}', 'spam'), ('{site_case}', '{pip}', 'spam');


-- Programs, shared things, payments.
INSERT INTO sessions (session_id, user_id, name, expires_at, is_token) VALUES ('{program}', '{alice}', 'a bot', now() + interval '1 day', true);
INSERT INTO api_tokens (session_id, token_hash, hint, scopes) VALUES ('{program}', sha256('{program}'), 'x', ARRAY['files:read']);
INSERT INTO share_links (link_id, owner_id, token_hash, token_sealed, kind, file_id, name, permission)
VALUES ('{link}', '{alice}', sha256('{link}'), decode(repeat('00', 60), 'hex'), 'file', '{file}', 'a.webp', 'view');
INSERT INTO payments (payment_id, user_id, reference, plan, days, amount_minor, currency, method, status, expires_at, submitted_at)
VALUES ('{payment}', '{alice}', '{payment}', 'PLUS', 30, 5000, 'VND', 'bank_transfer', 'submitted', now() + interval '1 day', now());
