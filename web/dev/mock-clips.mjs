// Clips, made up: some of each recording. Their playlist is the recording's, which the player begins where it is told.
const TITLES = [
  "The first sound it ever made",
  "“It is not supposed to smoke”",
  "Ai đó nói với nó là đang phát trực tiếp đi",
  "Perfect timing, worst possible moment, and a very long title that says all of it twice over",
  "0.3 s before the power cut",
];
const LENGTHS = [12_000, 30_000, 8_500, 24_000, 6_000];

export function clips({ scene, uuid7, iso, page, problem, ref, people, vods, user }) {
  let settings = { clips_for: "everybody" };
  const make = (vod, i, more = {}) => {
    const id = uuid7(Date.now() - 7_000_000 * (i + 1));
    return {
      id,
      vod_id: vod.id,
      vod_title: vod.title,
      channel: vod.channel,
      creator: ref(people[(i + 2) % people.length]),
      title: TITLES[i % TITLES.length],
      start_ms: 4_300 + i * 1_000,
      duration_ms: LENGTHS[i % LENGTHS.length],
      views: 3 + i * i * 217,
      thumbnail_url: `/media/thumb/${(i + 3) % 12}.svg`,
      storyboard_url: null,
      visibility: vod.visibility,
      playback: { hls: `/clip/${id}/index.m3u8`, dash: null },
      created_at: iso(7_000 * (i + 1)),
      may_rename: i % 2 === 0,
      may_delete: true,
      ...more,
    };
  };
  let all = null;
  const known = () => {
    all ??= vods().flatMap((vod, n) =>
      n === 0 || vod.channel.username === "linh_makes" ? TITLES.map((_, i) => make(vod, i)) : [],
    );
    return all;
  };
  const one = (id) => known().find((clip) => clip.id === id);
  const gone = () => problem(404, "clip.not-found", "there is no such clip");
  const mayClip = () => scene.signedIn && !scene.banned;
  return {
    /** The recording's playlist, to be begun where the clip does. */
    playlist: (id, text) => {
      const at = ((one(id)?.start_ms ?? 0) % 20_000) / 1000;
      return text
        .replace("#EXT-X-PLAYLIST-TYPE", `#EXT-X-START:TIME-OFFSET=${at},PRECISE=YES\n#EXT-X-PLAYLIST-TYPE`)
        .replace(/URI="([^"]+)"/g, 'URI="/vod/clipped/$1"')
        .replace(/^(?!#)(\S+)$/gm, "/vod/clipped/$1");
    },
    routes: [
      [
        "GET",
        /^\/clips$/,
        (_, __, q) => {
          const channel = q.get("channel");
          const found = scene.empty
            ? []
            : known().filter((clip) => !channel || clip.channel.username === channel);
          return {
            body: page(q.get("sort") === "views" ? [...found].sort((a, b) => b.views - a.views) : found),
          };
        },
      ],
      [
        "GET",
        /^\/clips\/([^/]+)$/,
        ([id]) => {
          const clip = one(id);
          return clip ? { body: clip } : gone();
        },
      ],
      [
        "PATCH",
        /^\/clips\/([^/]+)$/,
        ([id], body) => {
          const clip = one(id);
          return clip ? { body: Object.assign(clip, body) } : gone();
        },
      ],
      [
        "DELETE",
        /^\/clips\/([^/]+)$/,
        ([id]) => {
          all = known().filter((clip) => clip.id !== id);
          return { status: 204 };
        },
      ],
      [
        "POST",
        /^\/clips\/([^/]+)\/views$/,
        ([id]) => ({ body: { counted: true, views: (one(id)?.views ?? 0) + 1 } }),
      ],
      [
        "GET",
        /^\/vods\/([^/]+)\/clips$/,
        ([id]) => {
          const found = scene.empty ? [] : known().filter((clip) => clip.vod_id === id);
          return { body: page(found, { total: found.length, ...settings, may_create: mayClip() }) };
        },
      ],
      [
        "POST",
        /^\/vods\/([^/]+)\/clips$/,
        ([id], { title, start_ms, end_ms }) => {
          if (title === "full") return problem(409, "clip.too-many", "you have made as many as one may");
          const vod = vods().find((one) => one.id === id);
          const mine = { title, start_ms, duration_ms: end_ms - start_ms, views: 0, creator: ref(user) };
          const clip = make(vod, 0, { ...mine, created_at: iso() });
          all = [clip, ...known()];
          return { status: 201, body: clip };
        },
      ],
      ["GET", /^\/me\/clips$/, () => ({ body: settings })],
      [
        "PATCH",
        /^\/me\/clips$/,
        (_, body) => {
          settings = body;
          return { body: settings };
        },
      ],
    ],
  };
}
