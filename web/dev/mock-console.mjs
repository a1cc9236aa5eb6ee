// The queues and jobs of the console as the server tells them.
export function consoleDesk({ iso, page, scene, user, streams }) {
  const pauses = new Map([
    ["webhooks", { by: "kasia", reason: "A member’s server hammers ours back", at: iso(9e5) }],
  ]);
  const job = (n, over) => ({
    id: `01KAQ${n}T3Z5M8RHV7E2C4XWYB9D`,
    queue: "main",
    job: "send_mails",
    state: "waiting",
    attempts: 0,
    attempts_max: 25,
    run_at: iso(6e4 * n),
    taken_at: null,
    done_at: null,
    error: null,
    payload: { batch_id: "019aa8f0-55a1-7c33-9d1e-0c6d7e2f4b11" },
    ...over,
  });
  let jobs = [
    job(1, { state: "running", job: "process_file", queue: "files", attempts: 1, taken_at: iso(4e3) }),
    job(2, { state: "scheduled", run_at: iso(-6e5) }),
    job(3, {
      state: "failing",
      queue: "webhooks",
      job: "deliver_webhook",
      attempts: 4,
      run_at: iso(-9e4),
      error: "error sending request for url https://bot.example/…: connection refused",
      payload: { webhook_id: "019aa8f0-1111-7c33-9d1e-0c6d7e2f4b11" },
    }),
    job(4, {
      state: "dead",
      job: "send_reset",
      attempts: 25,
      taken_at: iso(3e6),
      done_at: iso(3e6),
      error:
        "smtp://mail.example: 554 5.7.1 Relay access denied for …@mail.test, as it has been for a day and a half",
      payload: { email: "…", at: iso(9e6) },
    }),
    job(5, { state: "cancelled", job: "notify_vod_ready", done_at: iso(2e6) }),
  ];
  const standing = (name) => {
    const own = jobs.filter((one) => one.queue === name);
    const count = (state) => own.filter((one) => one.state === state).length;
    return {
      name,
      ...Object.fromEntries(["waiting", "scheduled", "running", "failing", "dead"].map((s) => [s, count(s)])),
      oldest_waiting_s: count("waiting") ? 75 : null,
      pause: pauses.get(name) ?? null,
    };
  };
  const set = (id, change) => {
    jobs = jobs.map((one) => (one.id === id ? { ...one, ...change } : one));
    return { status: 204 };
  };
  const cut = new Set();
  const light = (name, state, detail, hint = "") => ({ name, state, detail, hint });
  const overview = {
    version: "0.1.0",
    node: "node-here",
    sums: {
      members: 1_284,
      suspended: 3,
      recordings: 412,
      clips: 96,
      files: 2_210,
      open_reports: 2,
      waiting_payments: 1,
    },
    storage: {
      live_bytes: 3_400_000_000,
      recording_bytes: 812_000_000_000,
      import_bytes: 0,
      file_bytes: 41_000_000_000,
      attachment_bytes: 730_000_000,
    },
    jobs: { waiting: 0, running: 1, failing: 1, dead: 1, paused_queues: 1 },
    lights: [
      light("postgres", "ok", "answers"),
      light("redis", "ok", "answers"),
      light("bucket", "ok", "rillcast answers"),
      light("chat", "ok", "MongoDB answers"),
      light("mail", "fail", "smtp://mail.example: connection refused", "check mail.* and http.public_url"),
      light("scanner", "warn", "off: members’ files are not looked into", "set scan.clamd"),
      light("media", "ok", "31 checks of GStreamer passed"),
    ],
  };
  const setting = (key, value, source, about, variable = null) => ({
    ...{ key, value, source, about, variable },
    is_locked: source === "environment" || source === "program",
  });
  const settings = [
    setting("data_dir", "/var/lib/rillcast", "program", "Folder for everything this node keeps on disk."),
    setting("http.listen", "127.0.0.1:8080", "default", "Where the site is served."),
    setting(
      "http.public_url",
      "https://tv.example",
      "environment",
      "The site’s address as browsers see it.",
      "RILLCAST__HTTP__PUBLIC_URL",
    ),
    setting("auth.secret", "***", "file", "The site’s secret."),
    setting("hls.part_ms", 200, "default", "Length of a part, in milliseconds."),
    setting("mail.url", "", "default", "The server that takes mail."),
  ];
  const signIn = (n, over) => ({
    ...{ id: `s${n}`, name: null, kind: "computer", system: "Linux", browser: "Firefox" },
    ...{ address: "203.0.113.7", created_at: iso(9e8), last_used_at: iso(6e5 * n), is_current: false },
    ...over,
  });
  return [
    ["GET", /^\/admin\/overview$/, () => ({ body: overview })],
    ["GET", /^\/admin\/settings$/, () => ({ body: { items: settings, node: "node-here" } })],
    [
      "GET",
      /^\/admin\/streams$/,
      () => {
        const live = scene.empty ? [] : streams();
        const items = live.map((stream, n) => ({
          ...{ stream, kbps: n === 1 ? null : 5_800 - n * 700, fps: n === 1 ? null : 59.9 },
          ...{ is_cut: cut.has(stream.id), may_cut: !cut.has(stream.id) },
        }));
        return { body: { items, viewers: live.reduce((sum, stream) => sum + stream.viewers, 0) } };
      },
    ],
    [
      "POST",
      /^\/admin\/streams\/([^/]+)\/cut$/,
      ([id]) => {
        cut.add(id);
        return { status: 204 };
      },
    ],
    [
      "GET",
      /^\/admin\/users\/([^/]+)$/,
      ([name]) => ({
        body: {
          ...{ username: name, email: `${name}@mail.example`, role: "user", created_at: iso(3e7) },
          storage: {
            ...{ recording_bytes: 8_400_000_000, recording_quota_bytes: 50_000_000_000 },
            ...{ file_bytes: 120_000_000, file_quota_bytes: null, attachment_bytes: 4_100_000 },
          },
          sign_ins: [signIn(1, {}), signIn(40, { kind: "phone", system: "Android", browser: "Chrome" })],
          ...{ may_end_sign_ins: true, may_set_role: true },
        },
      }),
    ],
    ["DELETE", /^\/admin\/users\/([^/]+)\/sessions$/, () => ({ body: { ended: 2 } })],
    ["PUT", /^\/admin\/users\/([^/]+)\/role$/, () => ({ status: 204 })],
    ["GET", /^\/admin\/queues$/, () => ({ body: { items: ["main", "webhooks", "files"].map(standing) } })],
    [
      "POST",
      /^\/admin\/queues\/([^/]+)\/pause$/,
      ([name], body) => {
        pauses.set(name, { by: user.username, reason: body.reason, at: iso() });
        return { status: 204 };
      },
    ],
    [
      "POST",
      /^\/admin\/queues\/([^/]+)\/resume$/,
      ([name]) => {
        pauses.delete(name);
        return { status: 204 };
      },
    ],
    [
      "GET",
      /^\/admin\/jobs$/,
      (_, __, query) => {
        const [queue, state] = [query.get("queue"), query.get("state")];
        const found = jobs.filter(
          (one) => (!queue || one.queue === queue) && (state ? one.state === state : one.state !== "done"),
        );
        return { body: page(scene.empty ? [] : found) };
      },
    ],
    [
      "POST",
      /^\/admin\/jobs\/([^/]+)\/(retry|run|cancel)$/,
      ([id, act]) =>
        act === "cancel"
          ? set(id, { state: "cancelled" })
          : set(id, { state: "waiting", run_at: iso(), ...(act === "retry" ? { attempts: 0 } : {}) }),
    ],
  ];
}
