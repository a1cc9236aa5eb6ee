// A stand-in for the server, for work on the app without one: the API from memory, Socket.IO, a picture made by ffmpeg,
// and the built files of dist/ under the same content security policy the real server sends.
//   node dev/mock.mjs [port]      then open http://127.0.0.1:PORT, or `RILLCAST_URL=http://127.0.0.1:PORT npm run dev`
// POST /__mock/{live|reconnecting|offline|empty|full|fail|heal|say|notify|takeover|takeover-off|health-good|health-bad|health-silent|health-new|moderates|viewer|banned|unbanned|act|flood|two-factor|two-factor-off}
// changes the scene.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createReadStream, existsSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { Server } from "socket.io";
import { analytics } from "./mock-analytics.mjs";
import { attachments } from "./mock-attach.mjs";
import { clips } from "./mock-clips.mjs";
import { consoleDesk } from "./mock-console.mjs";
import { memberFiles } from "./mock-files.mjs";
import { order } from "./mock-order.mjs";
import { payments } from "./mock-payments.mjs";
import { presence, presenceOf } from "./mock-presence.mjs";
import { shareLinks } from "./mock-shares.mjs";
import { picture as qrPicture, twoFactor } from "./mock-two-factor.mjs";
import { webhooks } from "./mock-webhooks.mjs";

const port = Number(process.argv[2] ?? 8090);
const dist = new URL("../dist/", import.meta.url).pathname;
const media = mkdtempSync(join(tmpdir(), "rillcast-mock-"));
const now = () => Date.now();
const iso = (agoS = 0) => new Date(now() - agoS * 1000).toISOString();
let counter = 0;
const uuid7 = (at = now()) => {
  const t = at.toString(16).padStart(12, "0");
  counter += 1;
  return `${t.slice(0, 8)}-${t.slice(8)}-7${(counter % 4096).toString(16).padStart(3, "0")}-8000-${randomUUID().slice(-12)}`;
};

const people = [
  ["linh_makes", "Linh Trần", "Soldering, synths and small machines. Thursdays and Sundays from Đà Nẵng."],
  ["orbit", "Orbit", "Deep-sky astrophotography, live from a roof in the Pyrenees."],
  ["kasia", "Kasia Nowak", "Piano practice, slowly and out loud."],
  ["fieldnotes", "Field Notes", "Rust, databases and the occasional duck."],
  ["hao_cooks", "Hảo nấu ăn", "Bếp nhỏ, món nhà."],
  ["nightowl", "nightowl", "Speedruns until the sun comes up."],
  ["rosa", "Rosa Delgado", "Gouache landscapes."],
  ["velodrome", "Velodrome TV", "Track cycling from the regional league."],
].map(([username, display_name, bio]) => ({ username, display_name, bio, avatar_url: null }));
const ref = (who) => ({ username: who.username, display_name: who.display_name, avatar_url: who.avatar_url });

let categories = [
  ["just-chatting", "Just Chatting", "Talk with the people watching.", ["talk", "irl"]],
  ["games", "Games", "Playing, speedrunning and esports.", ["gaming"]],
  ["music", "Music", "Performances, practice and production.", ["live", "instruments"]],
  ["software", "Software and Making", "Programming, electronics and building things.", ["coding", "diy"]],
  ["art", "Art", "Drawing, painting, 3D and crafts.", ["creative"]],
  ["education", "Education", "Lectures, lessons and studying together.", ["learning"]],
  ["sports", "Sports", "Matches, training and fitness.", ["fitness"]],
  ["events", "Events", "Conferences, ceremonies and meetings.", ["talks"]],
].map(([slug, name, description, tags], i) => ({
  slug,
  name,
  description,
  tags,
  thumbnail_url: null,
  position: i * 10,
}));
const category = (slug) => {
  const found = categories.find((one) => one.slug === slug);
  return found ? { slug: found.slug, name: found.name } : null;
};

const titles = [
  [
    0,
    "Building a wavetable synth from a broken printer, part 4: the first sound",
    "software",
    ["electronics", "synth", "tiếng việt"],
    1284,
  ],
  [1, "Horsehead Nebula, six hours of hydrogen", "education", ["astronomy", "chill"], 941],
  [2, "Chopin Ballade No. 1: the coda, at half speed, again", "music", ["piano", "practice"], 612],
  [3, "Writing a B-tree nobody asked for", "software", ["rust", "databases"], 388],
  [4, "Bún bò Huế cho mười người", "just-chatting", ["nấu ăn"], 217],
  [5, "Any% attempts, PB is 1:42:07", "games", ["speedrun"], 96],
];
const thumb = (i) => `/media/thumb/${i}.svg`;
const streams = titles.map(([who, title, slug, tags, viewers], i) => ({
  id: uuid7(now() - 4_000_000 - i),
  channel: ref(people[who]),
  title,
  description: people[who].bio,
  category: category(slug),
  tags,
  status: "live",
  visibility: "public",
  started_at: iso(3_725 + i * 1_411),
  ended_at: null,
  reconnect_until: null,
  viewers,
  thumbnail_url: thumb(i),
  playback: { hls: `/live/${people[who].username}/index.m3u8`, dash: null },
  renditions_note: "source-only: no CPU budget left on this machine",
}));
const vodTitles = [
  "Oscilloscope music, and how to fail at it",
  "Andromeda in true colour",
  "Bach, two-part inventions 1–5",
  "Reading the Postgres planner together",
  "Phở gà ngày mưa",
  "Ten stars before breakfast",
  "Harbour at dusk, limited palette",
  "Keirin final, regional league",
  "Fixing the fixer: a multimeter autopsy",
  "Q&A with tea",
];
let vods = vodTitles.map((title, i) => {
  const id = uuid7(now() - 90_000_000 * (i + 1));
  return {
    id,
    stream_id: uuid7(now() - 90_000_000 * (i + 1)),
    channel: ref(people[i % people.length]),
    title,
    description: "Recorded live. Parts list and schematics are in the comments of the first minute.",
    category: category(categories[i % 8].slug),
    tags: ["recorded"],
    status: i === 3 ? "recording" : "ready",
    duration_s: 1830 + i * 977.4,
    views: 12 + i * i * 431,
    visibility: "public",
    thumbnail_url: thumb(i + 6),
    storyboard_url: null,
    playback: { hls: `/vod/${id}/index.m3u8`, dash: null },
    created_at: iso(90_000 * (i + 1)),
  };
});
const user = {
  id: uuid7(),
  username: "linh_makes",
  display_name: "Linh Trần",
  email: "linh@example.net",
  role: "admin",
  avatar_url: null,
  bio: people[0].bio,
  created_at: iso(9e6),
};
const vapid = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
let pushDevices = [{ id: randomUUID(), label: "Firefox, Android", created_at: iso(400_000) }];
const addDevice = ({ label }) => {
  const device = { id: randomUUID(), label, created_at: iso() };
  pushDevices = [device, ...pushDevices];
  return device;
};
const device = (kind, system, browser, ago, more) => ({
  id: uuid7(),
  name: null,
  kind,
  system,
  browser,
  address: "203.0.113.24",
  created_at: iso(ago * 40),
  last_used_at: iso(ago),
  is_current: false,
  ...more,
});
let signIns = [
  device("computer", "Linux", "Firefox", 60, { is_current: true }),
  device("phone", "iOS", "Safari", 8_400, {
    name: "Điện thoại của Linh",
    address: "2001:db8:85a3::8a2e:370:7334",
  }),
  device("tv", "Android", "Chrome", 260_000),
  device("program", null, "curl", 1_200_000),
];
const bells = {};
const kinds = ["stream_online", "vod_ready", "new_follower", "friend_request", "friend_accepted"];
const choices = [
  ...kinds,
  "recording_stopped",
  "mention",
  "room_invite",
  "message",
  "unban_answer",
  "file_ready",
  "file_failed",
  "share_accessed",
].map((type) => ({
  type,
  in_app: true,
  is_fixed: type === "recording_stopped",
  push: true,
  mail: type === "stream_online" || type === "friend_request",
}));
const mail = {
  is_offered: true,
  address: "you@mail.example",
  is_confirmed: true,
  language: "en",
  digest: { every: "off", hour: 8, day: 1 },
};
let times = { time_zone: "UTC", quiet_hours: null };
const followed = new Set(["orbit", "kasia", "rosa", "velodrome"]);
let settings = {
  title: titles[0][1],
  description: "Today the DAC meets the op-amp.",
  category_slug: "software",
  tags: ["electronics", "synth"],
  visibility: "public",
};
const servers = {
  rtmp_url: "rtmp://stream.example.net:1935/live",
  rtmps_url: "rtmps://stream.example.net:1936/live",
};
let takeoverUntil = null;
const encoderNow = () => ({
  encoder:
    streams[0].status === "live"
      ? { epoch: 1, connected_at: iso(2_400), address: "203.0.113.24", priority: 0 }
      : null,
  takeover_until: takeoverUntil && Date.parse(takeoverUntil) > Date.now() ? takeoverUntil : null,
  last: {
    id: streams[0].id,
    title: settings.title,
    started_at: iso(9_000),
    ended_at: iso(900),
    end_reason: "window_over",
    encoder_end_reason: "connection_lost",
  },
});
let key = "rk_9f2c1e77b0a44d1c8a6e51d0f3b2";
let notices = [
  [
    "stream_online",
    "Orbit is live: Horsehead Nebula, six hours of hydrogen",
    "stream",
    streams[1].id,
    ref(people[1]),
    false,
    240,
  ],
  ["mention", "", "message", randomUUID(), ref(people[2]), false, 300, ref(people[1])],
  ["mention", "", "message", randomUUID(), ref(people[3]), false, 420, ref(people[1])],
  ["message", "", "room", randomUUID(), ref(people[2]), false, 900, null, "Friday night crew"],
  ["room_invite", "", "room", randomUUID(), ref(people[4]), true, 2_000, null, "Tape loops"],
  ["file_ready", "", "file_version", randomUUID(), null, false, 2_000, null, "shownotes.md"],
  ["share_accessed", "", "share_access", randomUUID(), null, false, 2_200, null, "dusk.jpg"],
  ["file_failed", "", "file_version", randomUUID(), null, false, 2_500, null, "totally-a-song.exe"],
  ["unban_answer", "", "unban_request", randomUUID(), null, true, 3_000, ref(people[3]), "accepted"],
  ["new_follower", "Kasia Nowak follows you now", "user", randomUUID(), ref(people[2]), false, 3_900],
  [
    "vod_ready",
    "Your recording is ready: Oscilloscope music, and how to fail at it",
    "vod",
    vods[0].id,
    null,
    true,
    88_000,
  ],
].map(([type, message, entity_type, entity_id, actor, is_read, age, channel = null, detail = null]) => ({
  id: uuid7(now() - age * 1000),
  type,
  message,
  is_read,
  entity_type,
  entity_id,
  created_at: iso(age),
  actor,
  channel,
  detail,
}));
const scene = { empty: false, fail: false, signedIn: false, health: "good", moderates: true, banned: false };

// One second of a made-up broadcast: calm, or one whose line breaks down now and then.
function second(at, mood) {
  const t = at / 1000;
  const wave = (period, size) => Math.sin((t * 2 * Math.PI) / period) * size;
  const dip = mood === "bad" && t % 40 < 6;
  return {
    at: new Date(at).toISOString(),
    epoch: 1,
    verdict: mood === "bad" ? "bad" : "good",
    issues:
      mood === "bad"
        ? [
            { type: "gopSizeLong", severity: "error" },
            { type: "videoIngestionStarved", severity: "warning" },
            { type: "bitrateUnstable", severity: "warning" },
            { type: "bFrames", severity: "info" },
          ]
        : [],
    video_kbps: Math.round(dip ? 900 + wave(3, 300) : 4480 + wave(7, 140) + wave(2, 60)),
    audio_kbps: Math.round(160 + wave(5, 3)),
    fps: dip ? 17 : Math.round(300 + wave(9, 3)) / 10,
    keyframe_ms: mood === "bad" ? 10_400 : 2_000,
    av_offset_ms: Math.round(12 + wave(11, 22)),
    audio_drift_ms: Math.round(wave(90, 6)),
    delay_ms: Math.round(dip ? 1_900 : 24 + Math.abs(wave(13, 30))),
    pace: 1,
    queue_ms: 0,
  };
}
function healthOf(id, minutes) {
  const isSilent = scene.health === "silent" || streams[0].status === "reconnecting";
  const stepS = minutes > 60 ? 170 : 1;
  const end = Math.floor(now() / 1000) * 1000 - (isSilent ? 20_000 : 0);
  const count = scene.health === "new" ? 0 : Math.min((minutes * 60) / stepS, 3_700 / stepS);
  const mood = scene.health === "bad" ? "bad" : "good";
  const items = Array.from({ length: Math.floor(count) }, (_, i) =>
    second(end - (count - i) * stepS * 1000, mood),
  );
  const isQuiet = isSilent || scene.health === "new";
  const verdict = isQuiet ? "noData" : mood;
  return { stream_id: id, verdict, issues: isQuiet ? [] : second(end, mood).issues, step_s: stepS, items };
}

const history = [];
const lines = [
  [1, "that solder joint is a work of art"],
  [2, "is the clock from the printer's stepper driver?"],
  [5, "gg on the enclosure @linh_makes"],
  [6, "schematic: https://example.net/synth/rev-c.pdf."],
  [4, "chào cả nhà, tối nay có demo không?"],
  [3, "have you tried turning the noise floor off and on again"],
  [7, "the DC offset is the feature"],
  [
    1,
    "5 V rail looks noisy on the scope, maybe another 100 nF right at the DAC? I had the same buzz last month and moving the ground fixed it",
  ],
  [0, "moving it now, thank you"],
  [2, "oh that's a SOUND"],
  [6, "🎉🎉🎉"],
  [5, "clip it"],
];
for (let i = 0; i < 80; i += 1) {
  const [who, text] = lines[i % lines.length];
  const at = now() - (80 - i) * 9_000;
  history.push(line(people[who], text, at));
}
function line(who, text, at = now(), client_id = null) {
  return {
    id: uuid7(at),
    username: "linh_makes",
    user: {
      id: who.username,
      username: who.username,
      display_name: who.display_name,
      badges: who.username === "linh_makes" ? ["broadcaster"] : who.username === "kasia" ? ["moderator"] : [],
    },
    text,
    client_id,
    sent_at: new Date(at).toISOString(),
    stream_id: streams[0].id,
    offset_ms: 1000,
    deleted: false,
  };
}

const page = (items, extra = {}) => ({ items, next_cursor: null, ...extra });
const problem = (status, code, detail, errors) => ({
  status,
  body: { type: `/problems/${code}`, title: detail, status, code, detail, request_id: randomUUID(), errors },
});
const channelOf = (username) => {
  const who = people.find((one) => one.username === username) ?? (username === user.username ? user : null);
  if (!who && username.startsWith("axe_")) {
    const unknown = { username, display_name: username, bio: "", avatar_url: null };
    return { ...unknown, followers_count: 0, is_following: false, live: null };
  }
  if (!who) return null;
  const live = scene.empty
    ? null
    : (streams.find((s) => s.channel.username === username && s.status !== "ended") ?? null);
  return {
    username: who.username,
    display_name: who.display_name,
    bio: who.bio,
    avatar_url: null,
    followers_count: 4_180 + who.username.length,
    is_following: followed.has(username),
    bell: followed.has(username) ? (bells[username] ?? "all") : null,
    live,
  };
};

/** What the member has with others: accepted, incoming, outgoing or blocked. */
const bonds = new Map([
  ["fieldnotes", "accepted"],
  ["orbit", "accepted"],
  ["kasia", "incoming"],
  ["hao_cooks", "incoming"],
  ["rosa", "outgoing"],
  ["velodrome", "blocked"],
]);
const privacy = { friend_requests: "everybody", messages: "friends", presence: "friends" };
const bonded = (state) =>
  people
    .filter((one) => !scene.empty && bonds.get(one.username) === state)
    .map((one, i) => ({
      ...{ id: one.username, ...ref(one), state, since: iso(7_000 * (i + 1)) },
      presence: state === "accepted" ? presenceOf(one.username) : null,
    }));
const bondView = (name) => ({ state: bonds.get(name) ?? "none", may_ask: !bonds.has(name) });

// Rooms: with two friends, and a group of all who speak in it.
const personOf = (who) => ({
  ...{ id: who.id ?? who.username, ...ref(who), is_active: true },
  presence: presenceOf(who.id ?? who.username),
});
const talks = new Map();
const files = attachments({ talks, uuid7, picture: (n) => picture(n) });
const invitation = { room_id: uuid7(), name: "Night photographers", members_count: 7, created_at: iso(500) };
let invitations = [{ ...invitation, invited_by: ref(people[1]) }];
function newRoom(more, script = []) {
  const id = uuid7();
  const said = script.map(([who, text, agoS, extra = {}]) => roomLine(id, who, text, agoS, extra));
  const room = {
    id,
    kind: "private",
    name: null,
    with: null,
    role: "member",
    members: [],
    is_archived: false,
    refusal: null,
    unread: 0,
    created_at: iso(900_000),
    said,
    ...more,
  };
  talks.set(id, room);
  return room;
}
function roomLine(room_id, who, text, agoS = 0, extra = {}) {
  const sent_at = iso(agoS);
  return {
    id: uuid7(Date.parse(sent_at)),
    room_id,
    user: { id: who.id ?? who.username, ...ref(who) },
    text,
    client_id: uuid7(),
    sent_at,
    ...extra,
  };
}
function roomView(room) {
  const last = room.said.at(-1);
  const { members, said, unread, ...rest } = room;
  return {
    ...rest,
    attachments: files.limits,
    members_count: room.kind === "private" ? 2 : members.length,
    last_message: last
      ? {
          id: last.id,
          user_id: last.user.id,
          text: last.text.slice(0, 100),
          attachment: last.attachment?.type,
          sent_at: last.sent_at,
        }
      : null,
    unread_count: unread,
    read_id: unread ? null : (last?.id ?? null),
    other_read_id: room.with ? (last?.id ?? null) : null,
  };
}
const roomsOf = (archived) =>
  scene.empty
    ? []
    : [...talks.values()]
        .filter((room) => room.is_archived === archived && (room.kind === "group" || room.said.length))
        .sort((a, b) =>
          (a.said.at(-1)?.sent_at ?? a.created_at) < (b.said.at(-1)?.sent_at ?? b.created_at) ? 1 : -1,
        )
        .map(roomView);
function fillRooms() {
  const [, orbit, kasia, fieldnotes, hao, , rosa] = people;
  newRoom({ with: personOf(fieldnotes) }, [
    [fieldnotes, "did you see the vacuum numbers from last night?", 93_000],
    [user, "yes, half an hour less than before", 92_800],
    [user, "https://example.net/runs/812.txt if you want them", 92_790],
    [
      fieldnotes,
      "that is the index. I will write it up for Thursday, with the plan before and after, so that nobody has to take our word for it",
      4_000,
      { reactions: [{ emoji: "🎉", user_ids: [user.id] }] },
    ],
    [user, "take the duck along", 3_900, { edited_at: iso(3_890) }],
  ]);
  const orbits = newRoom({ with: personOf(orbit), unread: 2 }, [
    [orbit, "clear skies on Friday, they say", 1_500],
    [orbit, "roof at nine?", 1_480],
  ]);
  files.fill(orbits.id).forEach((attachment, at) => {
    orbits.said.push(
      roomLine(orbits.id, at % 2 ? user : orbit, at === 0 ? "this was yesterday" : "", 1_400 - at, {
        attachment,
      }),
    );
  });
  newRoom({ with: personOf(rosa), refusal: "room.not-accepting" }, [
    [rosa, "thank you for the frame!", 700_000],
  ]);
  const group = newRoom(
    {
      kind: "group",
      name: "Thursday stream",
      role: "owner",
      unread: 0,
      members: [
        { ...personOf(user), role: "owner" },
        { ...personOf(kasia), role: "admin" },
        { ...personOf(hao), role: "member" },
      ].map((one) => ({ ...one, joined_at: iso(80_000), read_id: null })),
    },
    [
      [hao, "chào cả nhà, tối nay mình bắt đầu lúc tám giờ", 7_000],
      [hao, "có ai mang theo micro không?", 6_990],
      [kasia, "me, the small one", 6_800, { reactions: [{ emoji: "👍", user_ids: [user.id, "hao_cooks"] }] }],
    ],
  );
  const [first, , third] = group.said;
  group.said.push(
    roomLine(group.id, user, "eight works, I will open the room at half past seven", 6_700, {
      reply_to: { id: first.id, user: first.user, text: first.text, is_deleted: false },
    }),
  );
  third.changed_at = third.sent_at;
  newRoom({
    kind: "group",
    name: "Last year's meetup",
    is_archived: true,
    refusal: "room.archived",
    members: group.members.slice(0, 2),
  });
}
fillRooms();

let emotes = ["rill", "wave", "hype", "sip"].map((name) => ({
  id: uuid7(),
  name: `my_${name}`,
  url: `/emotes/${name}.svg`,
  created_at: iso(86_400),
}));
/** Words as the server keeps them, and whether each word of a question begins one. */
const wordsOf = (text) =>
  text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll("đ", "d")
    .match(/[\p{L}\p{N}]+/gu) ?? [];
const begins = (text, q) => {
  const words = wordsOf(text);
  const wanted = wordsOf(q);
  return wanted.length > 0 && wanted.every((one) => words.some((word) => word.startsWith(one)));
};
function found(q, kind, limit) {
  const of = (name, all) => (scene.empty || (kind && kind !== name) ? [] : all);
  const channels = of(
    "channel",
    people.filter((who) => begins(`${who.username} ${who.display_name} ${who.bio}`, q)),
  );
  const videos = of(
    "vod",
    vods.filter((one) => begins(`${one.title} ${one.channel.username} ${one.channel.display_name}`, q)),
  );
  const own = of(
    "file",
    kept.all().filter((one) => begins(one.name, q)),
  );
  const live = (who) => streams.some((one) => one.status === "live" && one.channel.username === who.username);
  const groups = { channel: channels, vod: videos, file: own };
  return {
    channels: channels
      .slice(0, limit)
      .map((who) => ({ ...who, followers_count: 40 + who.bio.length * 31, is_live: live(who) })),
    vods: videos.slice(0, limit),
    files: own.slice(0, limit),
    next_cursor: null,
    more: Object.keys(groups).filter((name) => groups[name].length > limit),
  };
}
const routes = [
  ["GET", /^\/channels\/([^/]+)\/emotes$/, () => ({ body: page(scene.empty ? [] : emotes) })],
  [
    "PATCH",
    /^\/me\/emotes\/([^/]+)$/,
    ([id], body) => {
      emotes = emotes.map((one) => (one.id === id ? { ...one, name: body.name } : one));
      return { body: emotes.find((one) => one.id === id) };
    },
  ],
  [
    "DELETE",
    /^\/me\/emotes\/([^/]+)$/,
    ([id]) => {
      emotes = emotes.filter((one) => one.id !== id);
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/rooms$/,
    (_, __, query) => {
      const items = roomsOf(query.get("archived") === "true");
      return { body: page(items, { unread_count: items.filter((one) => one.unread_count).length }) };
    },
  ],
  [
    "POST",
    /^\/rooms$/,
    (_, body) => {
      const who = people.find((one) => one.username === body.username);
      if (who && bonds.get(who.username) !== "accepted") return problem(403, "room.not-accepting", "no");
      const known = [...talks.values()].find((room) => who && room.with?.username === who.username);
      const me = { ...personOf(user), role: "owner", joined_at: iso(), read_id: null };
      const group = { kind: "group", name: body.name, role: "owner", members: [me] };
      return {
        status: known ? 200 : 201,
        body: roomView(known ?? newRoom(who ? { with: personOf(who) } : group)),
      };
    },
  ],
  [
    "GET",
    /^\/rooms\/([^/]+)$/,
    ([id]) =>
      talks.has(id)
        ? { body: roomView(talks.get(id)) }
        : problem(404, "room.not-found", "there is no such room"),
  ],
  ["PATCH", /^\/rooms\/([^/]+)$/, ([id], body) => ({ body: roomView(Object.assign(talks.get(id), body)) })],
  ["GET", /^\/rooms\/([^/]+)\/members$/, ([id]) => ({ body: page(talks.get(id).members) })],
  [
    "PATCH",
    /^\/rooms\/([^/]+)\/members\/([^/]+)$/,
    ([id, name], body) => {
      Object.assign(
        talks.get(id).members.find((one) => one.username === name),
        body,
      );
      return { status: 204 };
    },
  ],
  [
    "DELETE",
    /^\/rooms\/([^/]+)\/members\/([^/]+)$/,
    ([id, name]) => {
      const room = talks.get(id);
      room.members = room.members.filter((one) => one.username !== name);
      if (name === user.username) talks.delete(id);
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/rooms\/([^/]+)\/invites$/,
    () => ({ body: page([{ ...personOf(people[1]), created_at: iso(60) }]) }),
  ],
  ["PUT", /^\/rooms\/([^/]+)\/invites\/([^/]+)$/, () => ({ status: 204 })],
  ["DELETE", /^\/rooms\/([^/]+)\/invites\/([^/]+)$/, () => ({ status: 204 })],
  ["GET", /^\/me\/room-invites$/, () => ({ body: page(scene.empty ? [] : invitations) })],
  [
    "PUT",
    /^\/me\/room-invites\/([^/]+)$/,
    () => {
      invitations = [];
      return { body: roomView([...talks.values()][0]) };
    },
  ],
  [
    "DELETE",
    /^\/me\/room-invites\/([^/]+)$/,
    () => {
      invitations = [];
      return { status: 204 };
    },
  ],
  [
    "POST",
    /^\/auth\/refresh$/,
    (_, __, ___, cookie) =>
      scene.signedIn || cookie.includes("mock=in")
        ? { body: { access_token: "t", expires_in: 900 } }
        : problem(401, "auth.no-session", "sign in"),
  ],
  [
    "POST",
    /^\/auth\/(login|register)$/,
    (_, body) => {
      if (body.password === "code") return { status: 202, body: { second_step_token: "s", expires_in: 300 } };
      if (body.password === "wrong") return problem(401, "auth.invalid-credentials", "wrong");
      if (body.username === "taken")
        return problem(409, "account.taken", "this username is taken", [
          { field: "username", message: "is taken" },
        ]);
      return entered();
    },
  ],
  [
    "POST",
    /^\/auth\/logout$/,
    () => {
      scene.signedIn = false;
      return { status: 204, cookie: "mock=out; Path=/; HttpOnly" };
    },
  ],
  ["GET", /^\/me$/, () => ({ body: user })],
  ["PATCH", /^\/me$/, (_, body) => ({ body: Object.assign(user, body) })],
  ["GET", /^\/me\/stream-key$/, () => ({ body: { ...servers, stream_key: key } })],
  [
    "POST",
    /^\/me\/stream-key\/rotate$/,
    () => {
      key = `rk_${randomUUID().replaceAll("-", "")}`;
      return { body: { ...servers, stream_key: key } };
    },
  ],
  ["GET", /^\/me\/stream$/, () => ({ body: { ...settings, ...encoderNow() } })],
  [
    "POST",
    /^\/me\/stream\/takeover$/,
    () => {
      takeoverUntil = new Date(Date.now() + 30_000).toISOString();
      return { body: { until: takeoverUntil } };
    },
  ],
  [
    "DELETE",
    /^\/me\/stream\/takeover$/,
    () => {
      takeoverUntil = null;
      return { status: 204 };
    },
  ],
  [
    "PATCH",
    /^\/me\/stream$/,
    (_, body) => {
      settings = { ...settings, ...body };
      Object.assign(streams[0], {
        title: settings.title,
        tags: settings.tags,
        category: category(settings.category_slug),
      });
      return { body: settings };
    },
  ],
  ["GET", /^\/me\/following$/, () => ({ body: page([...followed].map(channelOf)) })],
  [
    "GET",
    /^\/channels\/([^/]+)$/,
    ([name]) => {
      const c = channelOf(name);
      return c ? { body: c } : problem(404, "channel.not-found", "no such channel");
    },
  ],
  [
    "PUT",
    /^\/channels\/([^/]+)\/follow$/,
    ([name]) => {
      followed.add(name);
      return { status: 204 };
    },
  ],
  [
    "DELETE",
    /^\/channels\/([^/]+)\/follow$/,
    ([name]) => {
      followed.delete(name);
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/search$/,
    (_, __, q) => ({ body: found(q.get("q") ?? "", q.get("kind"), Number(q.get("limit") ?? 24)) }),
  ],
  ["GET", /^\/categories$/, () => ({ body: page(categories) })],
  [
    "PUT",
    /^\/categories\/([^/]+)$/,
    ([slug], body) => {
      const c = { slug, thumbnail_url: null, ...body };
      categories = [...categories.filter((x) => x.slug !== slug), c];
      return { body: c };
    },
  ],
  [
    "DELETE",
    /^\/categories\/([^/]+)$/,
    ([slug]) => {
      categories = categories.filter((x) => x.slug !== slug);
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/streams$/,
    (_, __, q) => ({
      body: page(scene.empty ? [] : streams.filter((s) => s.status !== "ended" && matches(s, q))),
    }),
  ],
  [
    "GET",
    /^\/streams\/([^/]+)$/,
    ([id]) => {
      const s = streams.find((x) => x.id === id);
      return s ? { body: s } : problem(404, "stream.not-found", "no such stream");
    },
  ],
  [
    "GET",
    /^\/streams\/([^/]+)\/health$/,
    ([id], __, q) => ({ body: healthOf(id, Number(q.get("minutes") ?? 10)) }),
  ],
  [
    "GET",
    /^\/vods$/,
    (_, __, q) => ({
      body: page(
        scene.empty
          ? []
          : vods.filter(
              (v) => matches(v, q) && (!q.get("channel") || v.channel.username === q.get("channel")),
            ),
      ),
    }),
  ],
  [
    "GET",
    /^\/vods\/([^/]+)$/,
    ([id]) => {
      const v = vods.find((x) => x.id === id);
      return v ? { body: v } : problem(404, "vod.not-found", "no such recording");
    },
  ],
  [
    "PATCH",
    /^\/vods\/([^/]+)$/,
    ([id], body) => {
      const v = vods.find((x) => x.id === id);
      return {
        body: Object.assign(v, {
          title: body.title,
          description: body.description,
          category: category(body.category_slug),
        }),
      };
    },
  ],
  [
    "DELETE",
    /^\/vods\/([^/]+)$/,
    ([id]) => {
      vods = vods.filter((x) => x.id !== id);
      return { status: 204 };
    },
  ],
  [
    "POST",
    /^\/vods\/([^/]+)\/views$/,
    ([id]) => {
      const v = vods.find((x) => x.id === id);
      v.views += 1;
      return { body: { counted: true, views: v.views } };
    },
  ],
  [
    "GET",
    /^\/notifications$/,
    (_, __, query) => {
      const type = query?.get("type");
      const all = scene.empty ? [] : notices;
      const shown = all.filter((n) => (!type || n.type === type) && !(query?.get("unread") && n.is_read));
      return { body: page(shown, { unread_count: all.filter((n) => !n.is_read).length }) };
    },
  ],
  [
    "POST",
    /^\/notifications\/read-all$/,
    () => {
      notices = notices.map((n) => ({ ...n, is_read: true }));
      return { status: 204 };
    },
  ],
  [
    "GET",
    /^\/friends$/,
    (_, __, query) => ({
      body: page(bonded(query.get("state") ?? "accepted"), { incoming_count: bonded("incoming").length }),
    }),
  ],
  ["GET", /^\/friends\/([^/]+)$/, ([name]) => ({ body: bondView(name) })],
  [
    "PUT",
    /^\/friends\/([^/]+)$/,
    ([name]) => {
      bonds.set(name, bonds.get(name) === "incoming" ? "accepted" : "outgoing");
      return { body: bondView(name) };
    },
  ],
  ["DELETE", /^\/(?:friends|me\/blocks)\/([^/]+)$/, ([name]) => bonds.delete(name) && { status: 204 }],
  ["GET", /^\/me\/blocks$/, () => ({ body: page(bonded("blocked")) })],
  ["PUT", /^\/me\/blocks\/([^/]+)$/, ([name]) => bonds.set(name, "blocked") && { status: 204 }],
  ["GET", /^\/me\/privacy$/, () => ({ body: privacy })],
  ["PATCH", /^\/me\/privacy$/, (_, body) => ({ body: Object.assign(privacy, body) })],
  ["GET", /^\/auth\/options$/, () => ({ body: { is_registration_open: true, is_reset_offered: true } })],
  ["POST", /^\/auth\/forgot$/, () => ({ status: 202 })],
  ["POST", /^\/(?:auth\/reset|me\/password)$/, () => ({ status: 204 })],
  ["GET", /^\/me\/sessions$/, () => ({ body: page(signIns, { total: signIns.length }) })],
  [
    "DELETE",
    /^\/me\/sessions$/,
    () => {
      const ended = signIns.length - 1;
      signIns = signIns.filter((one) => one.is_current);
      return { body: { ended } };
    },
  ],
  [
    "PATCH",
    /^\/me\/sessions\/([^/]+)$/,
    ([id], { name }) => ({
      body: Object.assign(
        signIns.find((one) => one.id === id),
        { name },
      ),
    }),
  ],
  [
    "DELETE",
    /^\/me\/sessions\/([^/]+)$/,
    ([id]) => {
      signIns = signIns.filter((one) => one.id !== id);
      return { status: 204 };
    },
  ],
  ["GET", /^\/me\/push$/, () => ({ body: { public_key: vapid, devices: pushDevices } })],
  ["POST", /^\/me\/push\/devices$/, (_, body) => ({ status: 201, body: addDevice(body) })],
  [
    "DELETE",
    /^\/me\/push\/devices\/([^/]+)$/,
    ([id]) => {
      pushDevices = pushDevices.filter((one) => one.id !== id);
      return { status: 204 };
    },
  ],
  ["GET", /^\/me\/notification-settings$/, () => ({ body: { types: choices, mail, ...times } })],
  [
    "PATCH",
    /^\/me\/notification-settings$/,
    (_, body) => {
      for (const change of body.types ?? [])
        Object.assign(
          choices.find((one) => one.type === change.type),
          change,
        );
      if (body.mail_language) mail.language = body.mail_language;
      if (body.mail_digest) mail.digest = body.mail_digest;
      if (body.time_zone) times = { ...times, time_zone: body.time_zone };
      if (body.quiet_hours !== undefined) times = { ...times, quiet_hours: body.quiet_hours };
      return { body: { types: choices, mail, ...times } };
    },
  ],
  ["POST", /^\/me\/mail$/, () => ({ status: 202 })],
  [
    "DELETE",
    /^\/me\/mail$/,
    () => {
      mail.is_confirmed = false;
      return { status: 204 };
    },
  ],
  [
    "POST",
    /^\/mail\/confirm$/,
    () => {
      mail.is_confirmed = true;
      return { body: { address: mail.address } };
    },
  ],
  [
    "POST",
    /^\/mail\/unsubscribe/,
    (_, __, query) => ({ body: { type: query?.get("all") === "true" ? null : "stream_online" } }),
  ],
  [
    "PATCH",
    /^\/channels\/([^/]+)\/follow$/,
    ([name], body) => {
      bells[name] = body.bell;
      return { status: 204 };
    },
  ],
  [
    "POST",
    /^\/notifications\/read$/,
    (_, body) => {
      notices = notices.map((n) => (body.ids.includes(n.id) ? { ...n, is_read: true } : n));
      return { status: 204 };
    },
  ],
  [
    "POST",
    /^\/notifications\/([^/]+)\/read$/,
    ([id]) => {
      notices = notices.map((n) => (n.id === id ? { ...n, is_read: true } : n));
      return { status: 204 };
    },
  ],
];
function matches(item, q) {
  const text = q.get("q")?.toLowerCase();
  return (
    (!q.get("category") || item.category?.slug === q.get("category")) &&
    (!text || item.title.toLowerCase().includes(text))
  );
}

// Scenes instead of photographs: hills, a sky and a light, in a palette of their own.
function picture(n) {
  const hue = (n * 67 + 190) % 360;
  const hill = (y, l, s) =>
    `<path fill="oklch(${l} 0.07 ${(hue + s) % 360})" d="M0 ${y} C 180 ${y - 90 + n * 7}, 330 ${y + 70}, 520 ${y - 30} S 860 ${y + 30 - n * 5}, 960 ${y - 60} V540 H0Z"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 540"><defs><linearGradient id="s" x1="0" y1="0" x2="0.4" y2="1"><stop offset="0" stop-color="oklch(0.33 0.09 ${hue})"/><stop offset="1" stop-color="oklch(0.8 0.11 ${(hue + 50) % 360})"/></linearGradient></defs><rect width="960" height="540" fill="url(#s)"/><circle cx="${180 + ((n * 131) % 600)}" cy="${120 + ((n * 53) % 110)}" r="${38 + (n % 4) * 14}" fill="oklch(0.95 0.08 ${(hue + 70) % 360})"/>${hill(330, 0.5, 20)}${hill(400, 0.38, 0)}${hill(470, 0.26, -20)}</svg>`;
}

const policy =
  "default-src 'self'; img-src 'self' data: blob: https:; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'";
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".m4s": "video/mp4",
  ".mp4": "video/mp4",
  ".ts": "video/mp2t",
};
function sendFile(response, path, headers = {}) {
  response.writeHead(200, {
    "content-type": types[extname(path)] ?? "application/octet-stream",
    "content-length": statSync(path).size,
    ...headers,
  });
  createReadStream(path).pipe(response);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://mock");
  const path = decodeURIComponent(url.pathname);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (path.startsWith("/__mock/")) {
    act(path.slice(8), text);
    return response.writeHead(204).end();
  }
  if (path.startsWith("/api/v1")) {
    // Who is signed in stays so: what is looked at is how the pages say it.
    if (scene.fail && !/^\/api\/v1\/(auth\/|me$)/.test(path))
      return answer(response, problem(503, "unavailable", "try again later"));
    if (files.handle(request, response, path, Buffer.concat(chunks))) return;
    if (kept(request, response, path, url, Buffer.concat(chunks))) return;
    if (paid.handle(request, response, path)) return;
    if (shared(request, response, path, Buffer.concat(chunks))) return;
    for (const [method, pattern, handle] of routes) {
      const found = path.slice(7).match(pattern);
      if (found && method === request.method) {
        const body = request.headers["content-type"]?.includes("json") && text ? JSON.parse(text) : {};
        return answer(response, handle(found.slice(1), body, url.searchParams, request.headers.cookie ?? ""));
      }
    }
    return answer(response, problem(404, "route.not-found", "no such route"));
  }
  const svg = path.match(/^\/media\/thumb\/(\d+)\.svg$/);
  if (svg) return response.writeHead(200, { "content-type": "image/svg+xml" }).end(picture(Number(svg[1])));
  const excerpt = path.match(/^\/clip\/([^/]+)\/index\.m3u8$/);
  if (excerpt && existsSync(join(media, "vod/index.m3u8"))) {
    const text = cut.playlist(excerpt[1], readFileSync(join(media, "vod/index.m3u8"), "utf8"));
    return response.writeHead(200, { "content-type": "application/vnd.apple.mpegurl" }).end(text);
  }
  const clip = path.match(/^\/(live|vod)\/[^/]+\/(.+)$/);
  if (clip) {
    const file = join(media, clip[1], normalize(clip[2]));
    if (!existsSync(file)) return answer(response, problem(404, "stream.offline", "offline"));
    return sendFile(response, file, { "cache-control": "no-store" });
  }
  const file = join(dist, normalize(path));
  const isFile = existsSync(file) && statSync(file).isFile();
  sendFile(response, isFile ? file : join(dist, "index.html"), { "content-security-policy": policy });
});
function answer(response, { status = 200, body, csv, cookie }) {
  if (csv !== undefined)
    return response.writeHead(status, { "content-type": "text/csv; charset=utf-8; header=present" }).end(csv);
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response
    .writeHead(status, { "content-type": type, ...(cookie ? { "set-cookie": cookie } : {}) })
    .end(body === undefined ? undefined : JSON.stringify(body));
}

const io = new Server(server, { path: "/socket.io/" });
dress(history);
let pinned = history.at(-5) ?? null;

function answering(id) {
  const parent = history.find((one) => one.id === id);
  if (!parent) return {};
  const reply_to = { id, user: parent.user, text: parent.text, is_deleted: false };
  return { reply_to, thread_id: parent.thread_id ?? id };
}

/** A little of everything a line can be. */
function dress(lines) {
  const [first, second, third, fourth] = lines.slice(-8);
  if (!fourth) return;
  const { id, username, display_name } = first.user;
  Object.assign(second, {
    reply_to: { id: first.id, user: { id, username, display_name }, text: first.text, is_deleted: false },
    thread_id: first.id,
    edited_at: second.sent_at,
    text: `@${username} :gg: :hype: ${second.text}`,
    mentions: [{ id, username }],
    emotes: { gg: "/emotes/gg.svg", hype: "/emotes/hype.svg" },
  });
  third.reactions = [
    { emoji: "👍", count: 12, is_mine: true },
    { emoji: ":love:", count: 3 },
    { emoji: "😂", count: 1 },
  ];
  fourth.kind = "announcement";
}

const entered = () => ({
  body: { user, access_token: "t", expires_in: 900 },
  cookie: "mock=in; Path=/; HttpOnly",
});
const secured = twoFactor({ iso, problem, entered });
const desk = order({
  people,
  history,
  user,
  uuid7,
  iso,
  scene,
  page,
  problem,
  ref,
  person: (name) => people.find((one) => one.username === name),
  say: (name, text) => {
    const message = line(
      people.find((one) => one.username === name),
      text,
    );
    history.push(message);
    io.emit("chat:message", message);
  },
  io: () => io,
});
const kept = memberFiles({ scene, uuid7, iso, problem, picture, vod: () => vods[4].id, io: () => io });
const paid = payments({
  scene,
  uuid7,
  iso,
  page,
  problem,
  ref,
  people,
  code: qrPicture,
  io: () => io,
});
const shared = shareLinks({ scene, uuid7, iso, problem, picture, vod: () => vods[0] });
const cut = clips({ scene, uuid7, iso, page, problem, ref, people, vods: () => vods, user });
routes.push(
  ...cut.routes,
  ...desk.routes,
  ...analytics({ scene, uuid7, problem }),
  ...webhooks({ scene, uuid7, iso, page, problem }),
  ...secured.routes,
  ...paid.routes,
  ...consoleDesk({ iso, page, scene, user, streams: () => streams }),
);

io.on("connection", (socket) => {
  desk.events(socket);
  presence(socket, () => (scene.empty ? [] : [...talks.values()].flatMap((room) => room.said)));
  socket.on("stream:join", ({ username }, ack) => {
    socket.join(`channel:${username}`);
    const viewers = streams.find((s) => s.channel.username === username)?.viewers ?? 0;
    ack({
      ok: true,
      viewers,
      history: scene.empty || username !== "linh_makes" ? [] : history.slice(-50),
      modes: desk.modes(),
      me: {
        is_moderator: scene.moderates,
        sanction: scene.banned ? { until: null, reason: "Spam" } : null,
        warning: null,
        follows_since: null,
      },
      pinned: scene.empty || username !== "linh_makes" ? null : pinned,
      now: iso(),
    });
  });
  socket.on("stream:leave", ({ username }, ack) => {
    socket.leave(`channel:${username}`);
    ack?.({ ok: true });
  });
  socket.on("chat:react", ({ id, emoji, on }, ack) => {
    const message = history.find((one) => one.id === id);
    const others = (message?.reactions ?? []).filter((one) => one.emoji !== emoji);
    const count = (message?.reactions ?? []).find((one) => one.emoji === emoji)?.count ?? 0;
    const now = count + (on ? 1 : -1);
    const reactions = now > 0 ? [...others, { emoji, count: now, is_mine: on }] : others;
    if (message) message.reactions = reactions;
    ack({ ok: true, emoji, reactions });
  });
  socket.on("chat:edit", ({ id, text }, ack) => {
    const message = history.find((one) => one.id === id);
    Object.assign(message, { text, edited_at: iso() });
    io.emit("chat:edited", { message });
    ack({ ok: true, message });
  });
  socket.on("chat:pin", ({ username, id }, ack) => {
    pinned = history.find((one) => one.id === id) ?? null;
    io.emit("chat:pinned", { username, message: pinned });
    ack({ ok: true });
  });
  socket.on("chat:thread", ({ id }, ack) => {
    const root = history.find((one) => one.id === id)?.thread_id ?? id;
    ack({ ok: true, items: history.filter((one) => one.id === root || one.thread_id === root) });
  });
  socket.on("chat:send", ({ username, text, client_id, reply_to }, ack) => {
    if (text === "/help")
      return ack({ ok: true, command: { name: "help", detail: "/pin\n/unpin\n/announce text" } });
    if (text === "fail")
      return ack({ ok: false, code: "chat.throttled", detail: "slow down", retry_after_ms: 3000 });
    const message = { ...line(user, text, now(), client_id), username, ...answering(reply_to) };
    message.user.id = user.id;
    history.push(message);
    io.to(`channel:${username}`).emit("chat:message", message);
    ack({ ok: true, message });
  });
  socket.on("chat:history", ({ before, after, limit }, ack) => {
    const items = before
      ? history.filter((m) => m.id < before).slice(-limit)
      : history.filter((m) => m.id > (after ?? "")).slice(0, limit);
    ack({ ok: true, items });
  });
  socket.on("room:history", ({ room_id, before, after, limit }, ack) => {
    const said = talks.get(room_id)?.said ?? [];
    const items = after
      ? said.filter((one) => one.id > after).slice(0, limit)
      : said.filter((one) => !before || one.id < before).slice(-limit);
    ack({ ok: true, items, now: iso(), changes: [], removed: [], is_gap: false });
  });
  socket.on("room:send", ({ room_id, text, client_id, reply_to, attachment_id }, ack) => {
    if (text === "fail")
      return ack({ ok: false, code: "chat.throttled", detail: "slow", retry_after_ms: 3000 });
    const room = talks.get(room_id);
    const parent = room.said.find((one) => one.id === reply_to);
    const answered = parent && { id: parent.id, user: parent.user, text: parent.text, is_deleted: false };
    const message = roomLine(room_id, user, text, 0, {
      client_id,
      ...(answered ? { reply_to: answered } : {}),
      ...(attachment_id ? { attachment: files.of(attachment_id) } : {}),
    });
    room.said.push(message);
    io.emit("room:message", message);
    ack({ ok: true, message });
  });
  socket.on("room:edit", ({ id, text }, ack) => {
    const message = [...talks.values()].flatMap((room) => room.said).find((one) => one.id === id);
    Object.assign(message, { text, edited_at: iso(), changed_at: iso() });
    io.emit("room:edited", { message });
    ack({ ok: true, message });
  });
  socket.on("room:delete", ({ id }, ack) => {
    for (const room of talks.values()) {
      if (room.said.some((one) => one.id === id)) io.emit("room:deleted", { room_id: room.id, id });
      room.said = room.said.filter((one) => one.id !== id);
    }
    ack({ ok: true });
  });
  socket.on("room:react", ({ id, emoji, on }, ack) => {
    const message = [...talks.values()].flatMap((room) => room.said).find((one) => one.id === id);
    const others = (message.reactions ?? []).filter((one) => one.emoji !== emoji);
    const users = ((message.reactions ?? []).find((one) => one.emoji === emoji)?.user_ids ?? []).filter(
      (one) => one !== user.id,
    );
    if (on) users.push(user.id);
    message.reactions = users.length ? [...others, { emoji, user_ids: users }] : others;
    io.emit("room:reactions", { room_id: message.room_id, id, reactions: message.reactions });
    ack({ ok: true, emoji, reactions: message.reactions });
  });
  socket.on("room:typing", (_, ack) => ack({ ok: true }));
  socket.on("room:read", ({ room_id }, ack) => {
    const room = talks.get(room_id);
    if (room) room.unread = 0;
    ack({ ok: true });
  });
  socket.on("chat:delete", ({ id }, ack) => {
    io.emit("chat:deleted", { id });
    ack({ ok: true });
  });
});

setInterval(() => {
  if (scene.health === "silent" || scene.health === "new" || streams[0].status !== "live") return;
  const at = Math.floor(now() / 1000) * 1000;
  io.emit("ingest:health", { stream_id: streams[0].id, ...second(at, scene.health) });
}, 1_000);

let pouring;
/** So many lines at once, then so many a second. */
function flood({ lines = 0, rate = 0 }) {
  const pour = (count) => {
    for (let i = 0; i < count; i += 1) {
      const said = history[i % 20].text;
      const message = line(people[(i * 3 + counter) % people.length], `${said} ${counter}`);
      if (counter % 7 === 0)
        Object.assign(message, { text: `:gg: ${said}`, emotes: { gg: "/emotes/gg.svg" } });
      io.emit("chat:message", message);
    }
  };
  clearInterval(pouring);
  pour(lines);
  if (rate > 0) pouring = setInterval(() => pour(1), 1_000 / rate);
}

function act(what, text) {
  const first = streams[0];
  const event = { username: first.channel.username, stream_id: first.id };
  if (what === "live") {
    Object.assign(first, { status: "live", reconnect_until: null });
    io.emit("stream:online", event);
  }
  if (what === "reconnecting") {
    Object.assign(first, { status: "reconnecting", reconnect_until: iso(-42) });
    io.emit("stream:reconnecting", { ...event, until: first.reconnect_until });
  }
  if (what === "offline") {
    first.status = "ended";
    io.emit("stream:offline", event);
  }
  if (what === "empty" || what === "full") scene.empty = what === "empty";
  if (what === "fail" || what === "heal") scene.fail = what === "fail";
  if (what === "signin" || what === "signout") scene.signedIn = what === "signin";
  if (what === "source-only") first.renditions_note = "source-only: no CPU budget left on this machine";
  if (what === "full-ladder") first.renditions_note = "full";
  if (what === "takeover") takeoverUntil = new Date(Date.now() + 30_000).toISOString();
  if (what === "takeover-off") takeoverUntil = null;
  if (what === "moderates" || what === "viewer") scene.moderates = what === "moderates";
  if (what === "banned" || what === "unbanned") scene.banned = what === "banned";
  if (what === "act") desk.other();
  secured.act(what);
  if (what.startsWith("health-")) scene.health = what.slice(7);
  if (what === "say") {
    const message = line(people[1], text || "hello");
    history.push(message);
    io.emit("chat:message", message);
  }
  if (what === "flood") flood(JSON.parse(text || "{}"));
  if (what === "notify") {
    const notice = { ...notices[0], id: uuid7(), is_read: false, created_at: iso() };
    notices = [notice, ...notices];
    io.emit("notification", notice);
  }
}

const { mkdirSync } = await import("node:fs");
for (const kind of ["live", "vod"]) mkdirSync(join(media, kind));
const source = [
  "-f",
  "lavfi",
  "-i",
  "testsrc2=size=640x360:rate=25",
  "-f",
  "lavfi",
  "-i",
  "sine=frequency=330:sample_rate=48000",
];
const codec = [
  "-c:v",
  "libx264",
  "-preset",
  "ultrafast",
  "-g",
  "50",
  "-pix_fmt",
  "yuv420p",
  "-c:a",
  "aac",
  "-b:a",
  "96k",
];
const hls = (kind, extra) => [
  "-f",
  "hls",
  "-hls_time",
  "2",
  "-hls_segment_type",
  "fmp4",
  ...extra,
  join(media, kind, "index.m3u8"),
];
const encoders = process.env.MOCK_NO_MEDIA
  ? []
  : [
      spawn(
        "ffmpeg",
        [
          "-loglevel",
          "error",
          "-re",
          ...source,
          ...codec,
          ...hls("live", [
            "-hls_list_size",
            "6",
            "-hls_flags",
            "program_date_time+delete_segments+independent_segments",
          ]),
        ],
        { stdio: "ignore" },
      ),
      spawn(
        "ffmpeg",
        ["-loglevel", "error", ...source, "-t", "40", ...codec, ...hls("vod", ["-hls_playlist_type", "vod"])],
        { stdio: "ignore" },
      ),
    ];
for (const child of encoders)
  child.on("error", () => console.log("no ffmpeg: the pages work, the picture does not"));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const child of encoders) child.kill();
    process.exit(0);
  });
}
server.listen(port, "127.0.0.1", () => console.log(`mock ready http://127.0.0.1:${server.address().port}`));
