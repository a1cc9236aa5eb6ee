// A broadcaster's own servers, one for each way they can do.
export function webhooks({ scene, uuid7, iso, page, problem }) {
  const hook = (more) => ({
    id: uuid7(),
    description: "",
    events: [],
    is_enabled: true,
    disabled_because: null,
    failing_since: null,
    old_secret_until: null,
    overflowed_at: null,
    waiting_count: 0,
    created_at: iso(900_000),
    ...more,
  });
  let hooks = [
    hook({ url: "https://bot.linh.example/rillcast", description: "Announces on the forum" }),
    hook({
      url: "https://hooks.a-very-long-name-of-a-host-in-the-clouds.example/v2/incoming/7f3c9d21e0b84c6a",
      events: ["stream.online", "stream.offline", "vod.ready"],
      failing_since: iso(5_400),
      waiting_count: 3,
    }),
    hook({
      url: "https://old.linh.example/ring",
      description: "The lamp on the desk",
      events: ["channel.followed"],
      is_enabled: false,
      disabled_because: "gone",
    }),
  ];
  const delivery = (more) => ({
    id: uuid7(),
    sequence: 1,
    attempts: 1,
    fault: null,
    status: 204,
    latency_ms: 84,
    next_at: null,
    ...more,
  });
  const log = [
    delivery({ type: "ping", state: "delivered", created_at: iso(60), sequence: 4 }),
    delivery({
      ...{ type: "stream.online", state: "waiting", created_at: iso(900), sequence: 3, attempts: 3 },
      ...{ status: 503, latency_ms: 1_204, next_at: iso(-1_500) },
    }),
    delivery({
      ...{ type: "vod.ready", state: "failed", created_at: iso(90_000), sequence: 2, attempts: 10 },
      ...{ status: null, latency_ms: null, fault: "timed_out" },
    }),
    delivery({ type: "stream.offline", state: "delivered", created_at: iso(95_000) }),
  ];
  const secret = "whsec_bW9jayBzZWNyZXQgb2YgdGhlIHN0YW5kLWlu";
  const one = (id) => hooks.find((each) => each.id === id);
  const change = (id, body) => {
    const turnedOn = body.is_enabled ? { disabled_because: null, failing_since: null } : {};
    hooks = hooks.map((each) => (each.id === id ? { ...each, ...body, ...turnedOn } : each));
    return { body: one(id) };
  };
  const ID = "([^/]+)";
  const at = (tail = "") => new RegExp(`^/me/webhooks/${ID}${tail}$`);
  return [
    ["GET", /^\/me\/webhooks$/, () => ({ body: page(scene.empty ? [] : hooks) })],
    [
      "POST",
      /^\/me\/webhooks$/,
      (_, body) => {
        if (body.url.startsWith("http:"))
          return problem(422, "validation.failed", "no", [{ field: "url", message: "must be https" }]);
        const made = hook({ ...body, created_at: iso() });
        hooks = [...hooks, made];
        return { status: 201, body: { webhook: made, secret } };
      },
    ],
    ["PATCH", at(), ([id], body) => change(id, body)],
    [
      "DELETE",
      at(),
      ([id]) => {
        hooks = hooks.filter((each) => each.id !== id);
        return { status: 204 };
      },
    ],
    ["POST", at("/ping"), () => ({ status: 202, body: log[0] })],
    [
      "POST",
      at("/secret/rotate"),
      ([id]) => ({ body: { ...change(id, { old_secret_until: iso(-86_400) }).body, secret } }),
    ],
    [
      "GET",
      at("/deliveries"),
      (_, __, query) => {
        const state = query.get("state");
        return { body: page(log.filter((each) => !state || each.state === state)) };
      },
    ],
    [
      "GET",
      at(`/deliveries/${ID}`),
      ([, id]) => {
        const found = log.find((each) => each.id === id);
        const body = JSON.stringify({
          type: found.type,
          timestamp: found.created_at,
          data: { channel: { username: "linh_makes" }, title: "Building a wavetable synth, part 4" },
        });
        return { body: { delivery: found, body, answer: found.status ? "thank you" : null } };
      },
    ],
    ["POST", at(`/deliveries/${ID}/replay`), () => ({ status: 202, body: log[0] })],
  ];
}
