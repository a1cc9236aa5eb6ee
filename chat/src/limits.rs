//! Every limit of the gateway, named. The tests in `tests/it/hostile.rs` hit each of them.

use std::time::Duration;

use live::limits::Quota;

/// Largest message a client may send, on both transports.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Nothing in the contract carries binary attachments.
pub(crate) const ATTACHMENTS_MAX: usize = 0;
/// What is read from a WebSocket at once. Most of what clients send is a fraction of it, and each of a crowd has one.
pub(crate) const READ_BUFFER_BYTES: usize = 512;
/// Packets waiting for one client. A client that lets them pile up is disconnected.
pub(crate) const BUFFER_PACKETS: usize = 64;
/// From the connection to an accepted `CONNECT` packet, authentication included.
pub(crate) const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Checking a token may take this long of it.
pub(crate) const AUTH_WAIT_MAX: Duration = Duration::from_secs(3);
/// A dead line is found after both of these.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(10);
pub(crate) const PONG_WAIT_MAX: Duration = Duration::from_secs(8);
/// From the HTTP answer to the upgraded connection, and for one polling request's body.
pub(crate) const UPGRADE_WAIT_MAX: Duration = Duration::from_secs(5);
pub(crate) const POST_WAIT_MAX: Duration = Duration::from_secs(10);
/// From a polling session's opening to the library's first ping.
pub(crate) const GREETING_WAIT_MAX: Duration = Duration::from_secs(2);
/// A client that has taken no byte for this long, while bytes wait, is gone.
pub(crate) const WRITE_STALL_MAX: Duration = Duration::from_secs(20);
/// Bytes waiting for one client beyond what the kernel holds. More, and it is disconnected.
pub(crate) const WAITING_BYTES_MAX: usize = 128 * 1024;
/// Feeds of `GET /api/v1/events` that one member may have open on a node, names of events one may be limited to, and how often a
/// silent one says that it lives: more often than what stands between closes idle lines.
pub(crate) const FEEDS_PER_MEMBER_MAX: usize = 8;
pub(crate) const FEED_NAMES_MAX: usize = 50;
pub(crate) const FEED_BEAT_EVERY: Duration = Duration::from_secs(15);
/// What one WebSocket may send, whatever it is.
pub(crate) const READ_BYTES_PER_S: u32 = 64 * 1024;
pub(crate) const READ_BURST_BYTES: u32 = 512 * 1024;
/// Events of one socket: a burst, and then so many a second. Those beyond are refused.
pub(crate) const EVENTS_BURST: u32 = 40;
pub(crate) const EVENTS_PER_S: u32 = 20;
/// The same of all of a member's sockets on a node. Idle ones are forgotten; so many members are remembered.
pub(crate) const MEMBER_EVENTS_BURST: u32 = 120;
pub(crate) const MEMBER_EVENTS_PER_S: u32 = 40;
pub(crate) const MEMBER_IDLE_MAX: Duration = Duration::from_secs(60);
pub(crate) const MEMBERS_MAX: u64 = 200_000;
/// Refused events in a row before the socket is cut, and how long its member stays away then.
pub(crate) const REFUSED_MAX: u32 = 40;
pub(crate) const FLOODED_REST: Duration = Duration::from_secs(3);
/// Events of one socket under way at a time. They are worked on in order.
pub(crate) const IN_FLIGHT_MAX: usize = 16;
/// Channels one socket may sit in.
pub(crate) const ROOMS_MAX: usize = 20;
/// From an event's arrival to its acknowledgement, whatever fails. Two seconds are promised.
pub(crate) const ACK_WAIT_MAX: Duration = Duration::from_millis(1_800);
/// Messages in a join's answer, and in one page of history.
pub(crate) const JOIN_HISTORY: u32 = 50;
pub(crate) const PAGE_MAX: u32 = 100;
pub(crate) const PAGE_DEFAULT: u32 = 50;
/// What a client that was away is told of: new messages, changed and deleted ones. Who missed more begins anew.
pub(crate) const MISSED_MAX: u32 = 500;
pub(crate) const CHANGES_MAX: u32 = 200;
/// A message may become known this long after one with a greater id: no sender waits longer for its answer.
pub(crate) const LATE_MARGIN: Duration = Duration::from_secs(2);
pub(crate) const LATE_MAX: u32 = 200;
/// How far clocks of two nodes may be apart when changes are looked for.
pub(crate) const CHANGE_MARGIN: Duration = Duration::from_secs(3);
/// How long an author may change a message.
pub(crate) const EDIT_FOR: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// Reactions of one member within [`CHAT_WINDOW`].
pub(crate) const REACTIONS_PER_WINDOW: u32 = 15;
/// How often a room hears how a message stands, and messages waiting for that.
pub(crate) const REACTIONS_EVERY: Duration = Duration::from_millis(500);
pub(crate) const REACTED_MAX: usize = 10_000;
/// A channel's filters may keep one part in so many of a core busy, and this far ahead of it.
pub(crate) const FILTERS_SHARE: u32 = 10;
pub(crate) const FILTERS_BURST: Duration = Duration::from_secs(2);
/// Rooms of which a client that comes back is told what is new.
pub(crate) const ROOM_LIST_MAX: i64 = 100;
/// How long an author may change what they said in a room.
pub(crate) const ROOM_EDIT_FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
/// How often a room is told that somebody types.
pub(crate) const TYPING_TOLD: Quota = Quota::new(1, Duration::from_secs(3));
/// How often a member may look for something, in how many of their rooms, and what one answer holds.
pub(crate) const SEARCHES: Quota = Quota::new(20, Duration::from_secs(10));
pub(crate) const SEARCHED_ROOMS_MAX: i64 = 200;
pub(crate) const SEARCH_PAGE_MAX: u32 = 50;
pub(crate) const SEARCH_DEFAULT: u32 = 20;
/// Longest `client_id`.
pub(crate) const CLIENT_ID_BYTES_MAX: usize = 64;
/// Lines that name members and wait to be told of, and how many are written down at a time.
pub(crate) const CALLS_MAX: usize = 4_096;
pub(crate) const CALLS_AT_ONCE_MAX: usize = 100;
/// How long what waits at the stop is still written down.
pub(crate) const CALLS_STOP_WAIT_MAX: Duration = Duration::from_secs(2);
/// The windows of `limits.chat_per_user_per_3s` and `limits.chat_per_room_per_s`.
pub(crate) const CHAT_WINDOW: Duration = Duration::from_secs(3);
pub(crate) const ROOM_WINDOW: Duration = Duration::from_secs(1);
/// How old a member's, channel's or stream's facts may be while Postgres answers.
pub(crate) const MEMBER_FRESH: Duration = Duration::from_secs(5);
pub(crate) const CHANNEL_FRESH: Duration = Duration::from_secs(30);
pub(crate) const PIN_FRESH: Duration = Duration::from_secs(2);
pub(crate) const STREAM_FRESH: Duration = Duration::from_secs(1);
/// How old a channel's rules, and a member's place in them, may be: a change holds everywhere within two seconds, also when the
/// news of it was lost.
pub(crate) const ORDER_FRESH: Duration = Duration::from_millis(1_500);
/// How old the list of a channel's own emotes may be, when the news of a change was lost.
pub(crate) const EMOTES_FRESH: Duration = Duration::from_secs(30);
/// How often lines kept back too long are looked for, and how many at most in one round.
pub(crate) const HELD_SWEEP_EVERY: Duration = Duration::from_secs(5);
pub(crate) const HELD_SWEEP_MAX: i64 = 500;
/// Lines under the operator's review at a time. Those beyond wait for a turn as long as an answer may take.
pub(crate) const REVIEWS_AT_ONCE_MAX: usize = 32;
/// Longest answer of the operator's server.
pub(crate) const REVIEW_ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Failures in a row after which the operator's server is left alone, and for how long.
pub(crate) const REVIEW_FAILURES_MAX: u32 = 5;
pub(crate) const REVIEW_REST: Duration = Duration::from_secs(5);
/// Verdicts remembered for lines that are sent again, and for how long.
pub(crate) const REVIEWS_KEPT_MAX: u64 = 10_000;
pub(crate) const REVIEWS_KEPT_FOR: Duration = Duration::from_secs(60);
/// Sockets of moderators that are told what happens in one channel.
pub(crate) const DESK_SEATS_MAX: usize = 200;
/// Lines that one act strikes, and how old the oldest may be. A single line may be as old as it is.
pub(crate) const CLEAR_LINES_MAX: u32 = 1_000;
pub(crate) const CLEAR_REACH: Duration = Duration::from_secs(86_400);
/// How old a line may be that is shown again when an act is taken back.
pub(crate) const RESTORE_REACH: Duration = Duration::from_secs(7 * 86_400);
/// An expired sign-in may be renewed with `auth:renew` for this long before its socket is closed.
pub(crate) const RENEW_GRACE: Duration = Duration::from_secs(5);
/// How often sign-ins of open sockets are checked, and how many at most in one round.
pub(crate) const AUTH_SWEEP_EVERY: Duration = Duration::from_millis(1_500);
pub(crate) const AUTH_SWEEP_MAX: usize = 2_000;
/// Pushes waiting to be told to other nodes, and how stale one may get before it is not worth telling.
pub(crate) const OUTWARD_MAX: usize = 2_048;
pub(crate) const OUTWARD_AGE_MAX: Duration = Duration::from_secs(3);
/// After a room was told something, what is said next waits this long for each socket in it, so that several messages share
/// a write: about what telling them costs.
pub(crate) const SAYING_WAIT_PER_SOCKET: Duration = Duration::from_micros(15);
pub(crate) const SAYING_WAIT_MAX: Duration = Duration::from_millis(40);
/// How often viewer counts are looked at; a channel hears of its own at most once a second.
pub(crate) const COUNT_EVERY: Duration = Duration::from_millis(500);
pub(crate) const COUNT_TOLD_EVERY: Duration = Duration::from_millis(1_000);
/// How often the peaks of streams are written down.
pub(crate) const PEAK_EVERY: Duration = Duration::from_secs(5);
pub(crate) const CHANNELS_ON_AIR_MAX: i64 = 5_000;
/// Members one socket may show whether they are there, and how often a member may say whom.
pub(crate) const PRESENCE_WATCHED_MAX: usize = 200;
pub(crate) const PRESENCE_ASKED: Quota = Quota::new(30, Duration::from_secs(10));
/// The same summed over a node's sockets, and for how many different ones it asks at a time.
pub(crate) const PRESENCE_PAIRS_MAX: usize = 400_000;
pub(crate) const PRESENCE_ROUND_MAX: usize = 20_000;
/// How often it asks, and how often a socket is told at most.
pub(crate) const PRESENCE_EVERY: Duration = Duration::from_millis(500);
pub(crate) const PRESENCE_TOLD_EVERY: Duration = Duration::from_millis(1_000);
/// How long an answer holds when none comes any more: later nothing is said of anybody.
pub(crate) const PRESENCE_KEPT: Duration = Duration::from_millis(4_000);
/// How often it is asked again who may know of whom, when nothing is said to have changed, and for how many pairs at a time.
pub(crate) const PRESENCE_CHECK_EVERY: Duration = Duration::from_secs(30);
pub(crate) const PRESENCE_CHECK_PAIRS: usize = 4_000;
/// How often it is written down who is there, how often of one member, how many at a time, and how many of those who left may wait for it.
pub(crate) const SEEN_EVERY: Duration = Duration::from_secs(5);
pub(crate) const SEEN_AGAIN: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
pub(crate) const SEEN_ROUND_MAX: usize = 2_000;
pub(crate) const SEEN_WAITING_MAX: usize = 20_000;
/// How often a node tries to write down the minute that runs, and how often it looks who watches.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_secs(5);
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Whole minutes whose lines and follows are written with each minute: what another node told late is in the next.
pub(crate) const TALLIED_MINUTES: i64 = 3;
/// Audiences written down in one minute. The others wait for the next.
pub(crate) const CLOSED_AT_ONCE_MAX: i64 = 50;
/// Streams and minutes whose lines wait to be told to Redis, and for how many seconds they are worth telling.
pub(crate) const LINES_COUNTED_MAX: usize = 20_000;
pub(crate) const LINES_KEPT_S: i64 = 600;
/// Ways and hosts by which a node tells one channel's viewers apart in one look.
pub(crate) const HOSTS_AT_ONCE_MAX: usize = 100;
/// How long sockets may take to close at the stop.
pub(crate) const CLOSE_WAIT_MAX: Duration = Duration::from_secs(3);
