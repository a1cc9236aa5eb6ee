// What moderators do, for the stand-in server: acts that hold, are told, logged and taken back.
const UNDO_MS = 10_000;
const BARE = {
  slow_s: 0,
  followers_only_s: null,
  emote_only: false,
  unique: false,
  links: "allow",
  shield: false,
};

/** `mock` is what the stand-in knows: people, its chat's lines, its clock and ids, and its sockets. */
export function order(mock) {
  const { people, history, user, uuid7, iso, scene, page, problem, ref } = mock;
  let modes = { ...BARE };
  const acts = [];
  const sanctions = new Map();
  let moderators = [{ user: { id: "kasia", ...ref(mock.person("kasia")) }, appointed_at: iso(4e6) }];
  let filters = [
    { id: uuid7(), kind: "words", pattern: "buy followers", action: "refuse", created_at: iso(9e5) },
    {
      id: uuid7(),
      kind: "regex",
      pattern: "(?:bit|ly)\\.example/\\w+",
      action: "refuse",
      created_at: iso(8e5),
    },
  ];

  const keep = (name, text, why, leftS) => {
    const { username, display_name } = mock.person(name);
    const user = { id: name, username, display_name };
    return {
      id: uuid7(),
      username: "linh_makes",
      user,
      text,
      why,
      held_at: iso(600 - leftS),
      expires_at: iso(-leftS),
    };
  };
  let notes = [{ id: uuid7(), by: "kasia", text: "Means well, forgets about spoilers.", at: iso(2e5) }];
  let held = [
    keep("nightowl", "the printer was alive all along, watch https://spoil.example/ending", "links", 214),
    keep("velodrome", "buy f0llowers, first hundred free", "filter", 571),
  ];

  const reported = (kind, name, excerpt, reasons, voices, more = {}) => ({
    id: uuid7(),
    kind,
    thing_id: uuid7(),
    channel: kind === "member" ? null : "linh_makes",
    accused: name,
    excerpt,
    said_at: iso(300),
    state: "open",
    voices,
    reasons,
    notes: [],
    reporters: null,
    opened_at: iso(200),
    escalated_by: null,
    decided_by: null,
    decided_at: null,
    answer: "",
    ...more,
  });
  let reports = [
    reported("line", "velodrome", "first hundred followers free, ask me how", ["spam"], 4),
    reported(
      "line",
      "nightowl",
      "the ending is that the printer was alive all along",
      ["harassment", "other"],
      2,
      {
        notes: ["third time today"],
      },
    ),
  ];
  let siteReports = [
    reported("member", "spam_merchant_9", "Spam Merchant", ["spam", "impersonation"], 11, {
      reporters: ["rosa", "kasia"],
    }),
    reported("recording", "orbit", "A whole film, in one take", ["copyright"], 1, { reporters: ["rosa"] }),
  ];
  let requests = [
    {
      id: uuid7(),
      user: { id: "spam_merchant_9", ...ref(mock.person("orbit")), username: "spam_merchant_9" },
      text: "I did not know that links to my own shop count. It will not happen again.",
      asked_at: iso(900),
      ban_reason: "Spam",
      banned_at: iso(3_000),
      banned_by: "kasia",
    },
  ];
  let layout = null;
  const suspended = new Map();

  const effective = () =>
    modes.shield
      ? {
          ...modes,
          slow_s: Math.max(modes.slow_s, 10),
          followers_only_s: Math.max(modes.followers_only_s ?? 0, 600),
          links: "block",
        }
      : modes;
  const tell = (event, body) => mock.io().emit(event, { username: "linh_makes", ...body });

  function enter(
    action,
    { actor = user.username, target = null, reason = "", detail = {}, undoes = null, age = 0 },
  ) {
    const at = Date.now() - age * 1000;
    const act = {
      act_id: uuid7(at),
      username: "linh_makes",
      actor,
      action,
      target,
      reason,
      detail,
      undoes,
      at: new Date(at).toISOString(),
      undo_until: undoes ? null : new Date(at + UNDO_MS).toISOString(),
    };
    acts.unshift(act);
    return act;
  }
  enter("modes", { age: 7_200, detail: { before: BARE, after: { ...BARE, slow_s: 5, unique: true } } });
  enter("ban", {
    actor: "kasia",
    target: "spam_merchant_9",
    reason: "Spam",
    age: 3_000,
    detail: { struck: true },
  });
  enter("delete", {
    actor: "kasia",
    target: "nightowl",
    age: 900,
    detail: { message_id: "x", text: "the ending is that the printer was alive all along" },
  });
  const wrong = enter("timeout", { target: "rosa", age: 640, detail: { seconds: 600, struck: true } });
  enter("undo", { target: "rosa", age: 634, detail: { action: "timeout" }, undoes: wrong.act_id });
  enter("timeout", {
    actor: "kasia",
    target: "nightowl",
    reason: "Spoilers, again",
    age: 240,
    detail: { seconds: 3_600, struck: true },
  });
  sanctions.set("nightowl", { seconds: 3_360, reason: "Spoilers, again", by: "kasia", age: 240 });
  sanctions.set("spam_merchant_9", { seconds: null, reason: "Spam", by: "kasia", age: 3_000 });

  const strike = (member) => {
    const gone = history.filter((line) => !line.deleted && (!member || line.user.username === member));
    for (const line of gone) line.deleted = true;
    tell("chat:cleared", member ? { user_id: member } : {});
    return gone;
  };
  const undoing = new Map();

  function perform({ action, member, reason = "", ...deed }) {
    const silence = (seconds) => {
      const before = sanctions.get(member);
      if (before && before.seconds === null)
        return { ok: false, code: "mod.already", detail: "done already" };
      sanctions.set(member, { seconds, reason, by: user.username, age: 0 });
      const gone = deed.strike ? strike(member) : [];
      const back = () => {
        if (before) sanctions.set(member, before);
        else sanctions.delete(member);
        for (const line of gone) line.deleted = false;
        if (gone.length > 0) tell("chat:restored", {});
      };
      return [{ target: member, detail: { seconds, struck: Boolean(deed.strike) } }, back];
    };
    const setModes = (change) => {
      const before = modes;
      modes = { ...modes, ...change };
      tell("chat:modes", effective());
      const back = () => {
        modes = before;
        tell("chat:modes", effective());
      };
      return [{ detail: { before, after: modes } }, back];
    };
    switch (action) {
      case "timeout":
        return silence(deed.seconds);
      case "ban":
        return silence(null);
      case "unban": {
        const before = sanctions.get(member);
        if (!before) return { ok: false, code: "mod.already", detail: "kasia has done that already" };
        sanctions.delete(member);
        return [{ target: member }, () => sanctions.set(member, before)];
      }
      case "warn":
        return [{ target: member }, () => {}];
      case "delete": {
        const line = history.find((one) => one.id === deed.message_id);
        if (!line || line.deleted) return { ok: false, code: "mod.already", detail: "done already" };
        line.deleted = true;
        tell("chat:deleted", { id: line.id });
        const detail = { message_id: line.id, text: line.text };
        const back = () => {
          line.deleted = false;
          tell("chat:restored", {});
        };
        return [{ target: line.user.username, detail }, back];
      }
      case "clear": {
        const gone = strike(member);
        const back = () => {
          for (const line of gone) line.deleted = false;
          tell("chat:restored", {});
        };
        return [{ target: member ?? null }, back];
      }
      case "approve":
      case "deny": {
        const line = held.find((one) => one.id === deed.held_id);
        if (!line) return { ok: false, code: "mod.already", detail: "kasia has done that already" };
        held = held.filter((one) => one !== line);
        tell("mod:held-gone", { id: line.id, by: user.username });
        if (action === "approve") mock.say(line.user.username, line.text);
        return [{ target: line.user.username, detail: { text: line.text } }, () => {}];
      }
      case "modes":
        return setModes(deed.modes);
      case "shield":
        return setModes({ shield: deed.on });
      default:
        return { ok: false, code: "request.invalid", detail: "no such act" };
    }
  }

  function events(socket) {
    socket.on("mod:join", ({ username }, ack) => {
      if (scene.moderates === false) return ack({ ok: false, code: "chat.forbidden", detail: "no" });
      if (!mock.person(username)) return ack({ ok: false, code: "channel.not-found", detail: "no" });
      ack({ ok: true });
    });
    socket.on("mod:leave", (_, ack) => ack?.({ ok: true }));
    socket.on("mod:act", (body, ack) => {
      const done = perform(body);
      if (!Array.isArray(done)) return ack(done);
      const [entry, back] = done;
      const act = enter(body.action, { reason: body.reason, ...entry });
      undoing.set(act.act_id, back);
      tell("mod:action", act);
      ack({ ok: true, act_id: act.act_id, undo_until: act.undo_until, act });
    });
    socket.on("mod:undo", ({ act_id }, ack) => {
      const act = acts.find((one) => one.act_id === act_id);
      if (!act || Date.parse(act.undo_until) < Date.now())
        return ack({ ok: false, code: "mod.too-late", detail: "too late" });
      undoing.get(act_id)?.();
      const undo = enter("undo", { target: act.target, detail: { action: act.action }, undoes: act_id });
      tell("mod:action", undo);
      ack({ ok: true, act_id: undo.act_id });
    });
  }

  /** Somebody else does something, and a line is kept back. */
  function other() {
    held = [...held, keep("orbit", "is this one allowed? https://example.net", "links", 600)];
    tell("mod:held", held.at(-1));
    const deed = { action: "timeout", member: "velodrome", seconds: 600, strike: true, reason: "Flood" };
    const [entry] = perform(deed);
    tell("mod:action", enter("timeout", { ...entry, actor: "kasia", reason: "Flood" }));
  }

  const person = (name) => mock.person(name) ?? { username: name, display_name: name, avatar_url: null };
  const guard =
    (handle) =>
    (...args) =>
      scene.moderates === false ? problem(403, "chat.forbidden", "not yours") : handle(...args);
  const routes = [
    [
      "GET",
      /^\/channels\/[^/]+\/moderation\/log$/,
      guard((_, __, query) => ({
        body: page(
          scene.empty
            ? []
            : acts.filter((act) =>
                ["action", "actor", "target"].every(
                  (field) => !query.get(field) || act[field] === query.get(field),
                ),
              ),
        ),
      })),
    ],
    [
      "GET",
      /^\/channels\/[^/]+\/moderation\/sanctions$/,
      guard(() => ({
        body: page(
          [...sanctions]
            .filter(() => !scene.empty)
            .map(([name, { seconds, reason, by, age }]) => ({
              user: { id: name, ...ref(person(name)) },
              until: seconds === null ? null : iso(-seconds),
              reason,
              by: { username: by },
              at: iso(age),
              act_id: `${name}-${seconds}`,
            })),
        ),
      })),
    ],
    [
      "GET",
      /^\/channels\/[^/]+\/moderation\/reports$/,
      guard(() => ({ body: page(scene.empty ? [] : reports) })),
    ],
    [
      "POST",
      /^\/channels\/[^/]+\/moderation\/reports\/([^/]+)$/,
      guard(([id], body) => {
        const one = reports.find((report) => report.id === id);
        reports = reports.filter((report) => report.id !== id);
        tell("mod:report-gone", { id, by: user.username });
        tell("mod:action", enter(`report_${body.action}`, { target: one.accused }));
        return { body: one };
      }),
    ],
    [
      "GET",
      /^\/channels\/[^/]+\/moderation\/unban-requests$/,
      guard(() => ({ body: page(scene.empty ? [] : requests) })),
    ],
    [
      "POST",
      /^\/channels\/[^/]+\/moderation\/unban-requests\/([^/]+)$/,
      guard(([id], body) => {
        const one = requests.find((request) => request.id === id);
        requests = requests.filter((request) => request.id !== id);
        tell("mod:request-gone", { id, by: user.username });
        const action = body.action === "accept" ? "unban" : "request_deny";
        const act = enter(action, { target: one.user.username, reason: body.note });
        if (action === "request_deny") act.undo_until = null;
        else sanctions.delete(one.user.username);
        tell("mod:action", act);
        return { body: act };
      }),
    ],
    [
      "GET",
      /^\/channels\/[^/]+\/unban-request$/,
      () => ({ body: { ban: { reason: "Spam", at: iso(3_000) }, request: null, may_ask_at: iso(3_000) } }),
    ],
    ["GET", /^\/me\/mod-layout$/, () => ({ body: { layout } })],
    [
      "PUT",
      /^\/me\/mod-layout$/,
      (_, body) => {
        layout = body;
        return { body: { layout } };
      },
    ],
    ["POST", /^\/reports$/, () => ({ status: 201, body: { state: "open" } })],
    [
      "GET",
      /^\/admin\/reports$/,
      (_, __, query) => ({ body: page((query.get("state") ?? "open") === "open" ? siteReports : []) }),
    ],
    [
      "POST",
      /^\/admin\/reports\/([^/]+)$/,
      ([id], body) => {
        const one = siteReports.find((report) => report.id === id);
        siteReports = siteReports.filter((report) => report.id !== id);
        return { body: { ...one, state: body.action === "resolve" ? "resolved" : "dismissed" } };
      },
    ],
    [
      "GET",
      /^\/admin\/users$/,
      (_, __, query) => {
        const found = [...people.values()]
          .filter(({ username }) => username.includes(query.get("q") ?? ""))
          .filter(({ username }) => query.get("suspended") !== "true" || suspended.has(username));
        const item = (one) => ({
          user: { id: one.username, ...ref(one) },
          role: one.username === user.username ? "admin" : "user",
          is_suspended: suspended.has(one.username),
          suspension: suspended.get(one.username) ?? null,
          created_at: iso(3e7),
          may_suspend: one.username !== user.username,
          may_reset_two_factor: one.username === "orbit",
        });
        return { body: page(scene.empty ? [] : found.map(item)) };
      },
    ],
    ["POST", /^\/admin\/users\/([^/]+)\/two-factor\/reset$/, () => ({ body: {} })],
    [
      "POST",
      /^\/admin\/users\/([^/]+)\/(suspend|unsuspend)$/,
      ([name, how], body) => {
        if (how === "suspend") suspended.set(name, { reason: body.reason, by: user.username, at: iso() });
        else suspended.delete(name);
        return { body: {} };
      },
    ],
    [
      "GET",
      /^\/admin\/audit$/,
      (_, __, query) => {
        const acts = [
          [
            "user",
            user.username,
            "category.changed",
            "category",
            "chess",
            "Chess",
            { position: 3, tags: ["slow"] },
          ],
          ["user", user.username, "user.suspended", "user", "u1", "dario", {}],
          ["worker", "recordings", "vod.expired", "vod", "v1", "An evening with a rather long title", {}],
          ["system", "operator", "role.changed", "user", "u2", "kasia", { from: "user", to: "moderator" }],
        ];
        const items = acts.map(([actor_kind, actor, action, entity_type, entity_id, entity, details], n) => ({
          ...{
            id: `a${n}`,
            at: iso(6e4 * (n + 1)),
            actor_kind,
            actor,
            action,
            entity_type,
            entity_id,
            entity,
          },
          ...{ member: entity_type === "vod" ? "kasia" : null, reason: "", details, address: "198.51.100.7" },
        }));
        const wanted = items.filter((one) => !query.get("action") || one.action === query.get("action"));
        return { body: page(scene.empty ? [] : wanted) };
      },
    ],
    ["GET", /^\/channels\/[^/]+\/moderation\/held$/, guard(() => ({ body: page(scene.empty ? [] : held) }))],
    [
      "GET",
      /^\/channels\/[^/]+\/chatters\/([^/]+)$/,
      guard(([name]) => {
        const said = history.filter((line) => line.user.username === name);
        const stands = sanctions.get(name);
        return {
          body: {
            user: { id: name, ...ref(person(name)) },
            created_at: iso(3e7),
            follows_since: name === "nightowl" ? null : iso(4e6),
            messages: said.length * 37,
            sanctions: acts.filter((act) => act.target === name),
            notes,
            recent: said.slice(-20).map((line) => ({ ...line, is_deleted: line.deleted })),
            standing: {
              is_moderator: name === "kasia",
              sanction: stands
                ? { until: stands.seconds === null ? null : iso(-stands.seconds), reason: stands.reason }
                : null,
              warning: null,
            },
          },
        };
      }),
    ],
    [
      "POST",
      /^\/channels\/[^/]+\/chatters\/[^/]+\/notes$/,
      guard((_, body) => {
        const note = { id: uuid7(), by: user.username, text: body.text, at: iso() };
        notes = [...notes, note];
        return { status: 201, body: note };
      }),
    ],
    [
      "DELETE",
      /^\/channels\/[^/]+\/chatters\/[^/]+\/notes\/([^/]+)$/,
      guard(([id]) => {
        notes = notes.filter((one) => one.id !== id);
        return { status: 204 };
      }),
    ],
    ["GET", /^\/channels\/[^/]+\/moderators$/, guard(() => ({ body: page(scene.empty ? [] : moderators) }))],
    [
      "PUT",
      /^\/channels\/[^/]+\/moderators\/([^/]+)$/,
      guard(([name]) => {
        if (!mock.person(name)) return problem(404, "user.not-found", "no such member");
        moderators = [...moderators, { user: { id: name, ...ref(person(name)) }, appointed_at: iso() }];
        tell("mod:action", enter("mod", { target: name }));
        return { status: 204 };
      }),
    ],
    [
      "DELETE",
      /^\/channels\/[^/]+\/moderators\/([^/]+)$/,
      guard(([name]) => {
        moderators = moderators.filter((one) => one.user.username !== name);
        tell("mod:action", enter("unmod", { target: name }));
        return { status: 204 };
      }),
    ],
    [
      "GET",
      /^\/channels\/[^/]+\/moderation\/filters$/,
      guard(() => ({ body: page(scene.empty ? [] : filters) })),
    ],
    [
      "POST",
      /^\/channels\/[^/]+\/moderation\/filters$/,
      guard((_, body) => {
        if (body.pattern === "*")
          return problem(422, "request.invalid", "a field is wrong", [
            { field: "pattern", message: "must have a letter or digit beside the *" },
          ]);
        const filter = { id: uuid7(), created_at: iso(), ...body };
        filters = [...filters, filter];
        return { status: 201, body: filter };
      }),
    ],
    [
      "DELETE",
      /^\/channels\/[^/]+\/moderation\/filters\/([^/]+)$/,
      guard(([id]) => {
        filters = filters.filter((one) => one.id !== id);
        return { status: 204 };
      }),
    ],
  ];
  return { routes, events, other, modes: effective, people };
}
