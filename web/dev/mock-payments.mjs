// Plans and payments as the server does them: one that is to be paid, some that are over, some that wait for an administrator.
const DAY = 86_400;
const SVG = (hue) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="1400" viewBox="0 0 90 140"><rect width="90" height="140" fill="hsl(${hue} 40% 92%)"/><rect x="8" y="10" width="74" height="30" rx="4" fill="hsl(${hue} 55% 42%)"/><text x="45" y="29" font-size="9" text-anchor="middle" fill="#fff">49.000 ₫</text>${[52, 64, 76, 88, 100, 112].map((y) => `<rect x="8" y="${y}" width="${74 - (y % 30)}" height="4" fill="#555"/>`).join("")}</svg>`;

export function payments({ scene, uuid7, iso, page, problem, ref, people, code, io }) {
  const plans = [
    ["FREE", 10_240, 10_240, 0, 0],
    ["PLUS", 102_400, 20_480, 49_000, 30],
    ["PRO", 1_048_576, 51_200, 149_000, 30],
  ].map(([plan, storage, upload, price_minor, days]) => ({
    plan,
    name: plan,
    storage_bytes: storage * 2 ** 20,
    upload_bytes_max: upload * 2 ** 20,
    recordings_bytes: null,
    price_minor,
    days,
    is_sold: price_minor > 0,
  }));
  const make = (reference, plan, status, agoS, more = {}) => {
    const id = uuid7(Date.now() - agoS * 1000);
    const found = plans.find((one) => one.plan === plan);
    const isOpen = ["pending", "submitted", "asked_again"].includes(status);
    return {
      id,
      reference,
      plan,
      plan_name: plan,
      days: 30,
      amount_minor: found.price_minor,
      currency: "VND",
      exponent: 0,
      payment_method: "bank_transfer",
      status,
      created_at: iso(agoS),
      expires_at: iso(agoS - 3 * DAY),
      submitted_at: null,
      decided_at: null,
      reason: "",
      stated_payer: "",
      stated_amount_minor: null,
      stated_reference: "",
      proof: null,
      proof_url: null,
      term: null,
      pay: isOpen
        ? {
            instructions: "Transfers are looked for every evening.",
            bank_name: "Ngân hàng Ví dụ",
            bank_account: "0011001932418",
            bank_holder: "NGUYEN VAN A",
            qr_payload: "000201",
            qr_url: `/api/v1/payments/${id}/qr`,
          }
        : null,
      ...more,
    };
  };
  const proven = (one, more = {}) => ({
    ...one,
    submitted_at: iso(1_900),
    proof: "ready",
    proof_url: `/api/v1/payments/${one.id}/proof`,
    stated_payer: "TRAN THI LINH",
    stated_amount_minor: one.amount_minor,
    stated_reference: "FT26327881",
    ...more,
  });
  const own = [
    make("RC7K3M9QX2", "PRO", "pending", 4_000),
    make("RCH4W8ZP5N", "PLUS", "approved", 20 * DAY, {
      decided_at: iso(20 * DAY - 7_000),
      term: { plan: "PLUS", since: iso(20 * DAY), ends_at: iso(-10 * DAY) },
    }),
    make("RC2B6TYQ8K", "PLUS", "rejected", 24 * DAY, { reason: "No such transfer arrived until the 3rd." }),
  ];
  const term = (plan, days) => ({ plan, since: iso(0), ends_at: iso(-days * DAY) });
  const waiting = () => [
    {
      ...proven(make("RC9NQ4VX3M", "PLUS", "submitted", 5_000)),
      payer: ref(people[2]),
      running: null,
      would: term("PLUS", 30),
      same_proof: [],
      same_transfer: [],
    },
    {
      ...proven(make("RCD7K2HZ6P", "PRO", "submitted", 2_500), {
        stated_amount_minor: 49_000,
        stated_payer: "",
      }),
      payer: ref(people[3]),
      running: term("PLUS", 12),
      would: term("PRO", 33),
      same_proof: ["RC9NQ4VX3M"],
      same_transfer: ["RC9NQ4VX3M"],
    },
  ];
  let desk = waiting();
  const find = (id) => own.find((one) => one.id === id) ?? desk.find((one) => one.id === id);
  const move = (id, status, more = {}) => {
    const one = find(id);
    if (!one) return problem(404, "payment.not-found", "there is no such payment");
    if (!["pending", "submitted", "asked_again"].includes(one.status))
      return problem(409, "payment.settled", "it is over");
    Object.assign(one, { status, ...more });
    desk = desk.filter((other) => other.id !== id);
    io().emit("payment", { payment_id: id, status });
    return { body: one };
  };
  const routes = [
    [
      "GET",
      /^\/plans$/,
      () => ({
        body: {
          ...page(plans),
          currency: "VND",
          exponent: 0,
          payment_methods: ["bank_transfer", "qr_picture"],
        },
      }),
    ],
    [
      "GET",
      /^\/me\/subscription$/,
      () => ({
        body: scene.empty
          ? {
              plan: "FREE",
              name: "FREE",
              since: null,
              ends_at: null,
              grace_until: null,
              is_in_grace: false,
              open_payment_id: null,
            }
          : {
              plan: "PLUS",
              name: "PLUS",
              since: iso(20 * DAY),
              ends_at: iso(-10 * DAY),
              grace_until: iso(-13 * DAY),
              is_in_grace: false,
              open_payment_id:
                own.find((one) => ["pending", "submitted", "asked_again"].includes(one.status))?.id ?? null,
            },
      }),
    ],
    ["GET", /^\/payments$/, () => ({ body: page(scene.empty ? [] : own) })],
    [
      "GET",
      /^\/payments\/pending$/,
      (_, __, query) => ({
        body: page(scene.empty ? [] : desk.filter((one) => one.status === query.get("status"))),
      }),
    ],
    ["POST", /^\/payments\/subscriptions$/, () => ({ status: 200, body: own[0] })],
    [
      "GET",
      /^\/payments\/([^/]+)$/,
      ([id]) => {
        const one = id === "latest" ? own[0] : id === "paid" ? own[1] : find(id);
        return one ? { body: one } : problem(404, "payment.not-found", "there is no such payment");
      },
    ],
    ["POST", /^\/payments\/([^/]+)\/cancel$/, ([id]) => move(id, "cancelled")],
    ["POST", /^\/payments\/([^/]+)\/approve$/, ([id]) => move(id, "approved")],
    ["POST", /^\/payments\/([^/]+)\/reject$/, ([id], body) => move(id, "rejected", { reason: body.reason })],
    [
      "POST",
      /^\/payments\/([^/]+)\/ask-again$/,
      ([id], body) => move(id, "asked_again", { reason: body.reason }),
    ],
    [
      "POST",
      /^\/payments\/([^/]+)\/proof$/,
      ([id]) => move(id, "submitted", proven(find(id), { status: "submitted" })),
    ],
  ];
  /** Pictures are no JSON. */
  const handle = (request, response, path) => {
    const found = path.match(/^\/api\/v1\/payments\/[^/]+\/(qr|proof)$/);
    if (!found || request.method !== "GET") return false;
    response.writeHead(200, { "content-type": "image/svg+xml" }).end(found[1] === "qr" ? code() : SVG(200));
    return true;
  };
  return { routes, handle };
}
