// Who watched, made up: evenings four times a week, one of them with minutes nobody counted.
const DAY_MS = 86_400_000;
const TITLES = [
  "Oscilloscope music, and how to fail at it",
  "Fixing the fixer: a multimeter autopsy",
  "=SUM(A1:A9) is not a title, or is it",
  "Một buổi tối với mạch khuếch đại và rất nhiều trà",
];
const HOSTS = [
  ["forum.example", 214],
  ["news.aggregator.example", 131],
  ["blog.linh.example", 88],
  ["docs.a-very-long-name-of-a-project-that-links-here.example", 31],
  ["127.0.0.1", 2],
];
const dayOf = (ms) => new Date(ms).toISOString().slice(0, 10);
/** 0 to 1, the same for the same number. */
const noise = (n) => Math.abs((Math.sin(n * 127.1) * 43_758.5453) % 1);

/** A table as the server writes it: a column for each of a row's parts, and no cell a formula. */
function csvOf(rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const plain = /^\s*[=+\-@]/.test(text) ? `'${text}` : text;
    return /["\r\n,]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  return [Object.keys(rows[0] ?? {}), ...rows.map(Object.values)]
    .map((cells) => `${cells.map(cell).join(",")}\r\n`)
    .join("");
}
const tables = {
  days: (days) => days,
  streams: (_, streams) => streams.map(({ totals, ...head }) => ({ ...head, ...totals })),
  sources: (_, __, { hosts, others, ...ways }) => [
    ...Object.entries(ways).map(([kind, viewers]) => ({ kind, host: "", viewers })),
    ...hosts.map(({ host, viewers }) => ({ kind: "host", host, viewers })),
    { kind: "other-hosts", host: "", viewers: others },
  ],
};

export function analytics({ scene, uuid7, problem }) {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const evenings = [];
  for (let back = 1; back < 400; back += 1) {
    const at = today - back * DAY_MS;
    if (![0, 2, 4, 6].includes(new Date(at).getUTCDay())) continue;
    const began = at + 13 * 3_600_000;
    const minutes = 95 + Math.round(noise(back) * 80);
    const viewers = Math.round((60 + noise(back + 5) * 120) * (1 - back / 700));
    const fans = Math.round(noise(back + 9) * 14);
    const lines = Math.round(minutes * (1 + noise(back + 3) * 4));
    evenings.push({ id: uuid7(began), back, at, began, minutes, viewers, fans, lines });
  }
  const sums = (some, days) => {
    const minutes = some.reduce((sum, one) => sum + one.minutes, 0);
    const viewer = some.reduce((sum, one) => sum + one.minutes * one.viewers * 0.7, 0);
    return {
      streams: some.length,
      on_air_s: minutes * 60,
      uncounted_s: some.some((one) => one.back === 2) ? 720 : 0,
      watch_s: Math.round(viewer) * 60,
      peak_viewers: some.length ? Math.max(...some.map((one) => one.viewers)) : null,
      average_viewers: minutes ? Math.round((viewer / minutes) * 10) / 10 : null,
      unique_viewers: some.reduce((sum, one) => sum + Math.round(one.viewers * 2.6), 0),
      unique_unknown: 0,
      chat_lines: some.length ? some.reduce((sum, one) => sum + one.lines, 0) : null,
      new_followers: some.reduce((sum, one) => sum + one.fans, 0) + days,
    };
  };
  const period = (from, count) => {
    const days = Array.from({ length: count }, (_, i) => from + i * DAY_MS);
    const within = scene.empty ? [] : evenings.filter(({ at }) => at >= from && at < from + count * DAY_MS);
    return {
      within,
      body: {
        from: dayOf(from),
        to: dayOf(from + (count - 1) * DAY_MS),
        totals: sums(within, 0),
        days: days.map((at) => {
          const {
            streams: _streams,
            unique_viewers: _unique,
            unique_unknown: _unknown,
            ...day
          } = sums(
            within.filter((one) => one.at === at),
            0,
          );
          return { date: dayOf(at), ...day };
        }),
      },
    };
  };
  const streamOf = (one) => ({
    id: one.id,
    title: TITLES[one.back % TITLES.length],
    started_at: new Date(one.began).toISOString(),
    ended_at: new Date(one.began + one.minutes * 60_000).toISOString(),
    totals: sums([one], 0),
  });
  const sourcesOf = (scale) => ({
    pages: Math.round(860 * scale),
    embeds: Math.round(240 * scale),
    players: Math.round(71 * scale),
    hosts: HOSTS.map(([host, count]) => ({ host, viewers: Math.ceil(count * scale) })),
    others: Math.round(17 * scale),
  });
  const range = (_, __, q) => {
    const to = Date.parse(q.get("to") ?? dayOf(today));
    const from = Date.parse(q.get("from") ?? dayOf(to - 27 * DAY_MS));
    const count = Math.round((to - from) / DAY_MS) + 1;
    const now = period(from, count);
    const streams = now.within.slice(0, 200).map(streamOf);
    const sources = sourcesOf(scene.empty ? 0 : count / 28);
    if (q.get("format") === "csv")
      return { csv: csvOf(tables[q.get("table") ?? "days"](now.body.days, streams, sources)) };
    return {
      body: {
        range: now.body,
        before: period(from - count * DAY_MS, count).body,
        sources,
        streams,
        is_cut: false,
      },
    };
  };
  const stream = ([id], _, q) => {
    const one = evenings.find((evening) => evening.id === id) ?? (id === "latest" ? evenings[0] : null);
    if (!one) return problem(404, "stream.not-found", "there is no such stream");
    const items = Array.from({ length: one.minutes }, (_, i) => {
      const isCounted = i < 40 || i > 51;
      const viewers = Math.round(one.viewers * Math.min(1, (i + 4) / 30) * (0.85 + noise(i) * 0.15));
      return {
        at: new Date(one.began + i * 60_000).toISOString(),
        viewers: isCounted ? viewers : null,
        players: isCounted ? Math.round(viewers * 0.06) : null,
        connections: isCounted ? Math.round(viewers * 1.2) : null,
        chat_lines: isCounted ? Math.round(noise(i + 4) * 9) : null,
        new_followers: noise(i + 8) > 0.9 ? 1 : 0,
      };
    });
    if (q.get("format") === "csv") return { csv: csvOf(items) };
    return {
      body: {
        stream: streamOf(one),
        is_live: false,
        step_minutes: 1,
        items,
        is_thinned: false,
        sources: sourcesOf(0.2),
      },
    };
  };
  return [
    ["GET", /^\/me\/analytics$/, range],
    ["GET", /^\/me\/analytics\/streams\/([^/]+)$/, stream],
  ];
}
