// Takes a picture of each page: desktop and phone, dark and light. Needs a running mock.
//   node dev/shots.mjs http://127.0.0.1:8090 OUT_DIR [name-filter]
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base = "http://127.0.0.1:8090", out = "shots", only = ""] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const act = (what, body) => fetch(`${base}/__mock/${what}`, { method: "POST", body });
const vods = await (await fetch(`${base}/api/v1/vods`)).json();
const vod = vods.items[0].id;
const clip = (await (await fetch(`${base}/api/v1/clips`)).json()).items[0].id;
const rooms = (await (await fetch(`${base}/api/v1/rooms`)).json()).items;
const group = rooms.find((room) => room.kind === "group").id;
const friend = rooms.find((room) => room.with?.username === "fieldnotes").id;
const closed = rooms.find((room) => room.with?.username === "rosa").id;
const NEVER_SAID = "00000000-0000-7000-8000-000000000000";
const quiet = { quiet_hours: { from: "22:00", to: "07:00" }, time_zone: "Asia/Ho_Chi_Minh" };
const weekly = { mail_digest: { every: "weekly", hour: 8, day: 1 } };
const choose = (body) =>
  fetch(`${base}/api/v1/me/notification-settings`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

const pages = [
  ["home", "/"],
  ["home-empty", "/", { before: ["empty"], after: ["full"] }],
  ["home-fail", "/", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["browse", "/browse?q=a"],
  ["search", "/search?q=linh"],
  ["search-nothing", "/search?q=zzzz"],
  ["channel", "/c/linh_makes", { wait: 5000 }],
  ["channel-reconnecting", "/c/linh_makes", { before: ["reconnecting"], after: ["live"] }],
  ["channel-offline", "/c/rosa"],
  ["vod", `/v/${vod}`, { wait: 3000 }],
  ["vod-clips", `/v/${vod}`, { wait: 2500, focus: "vod-clips" }],
  ["clip", `/clip/${clip}`, { wait: 3500 }],
  ["clip-share", `/clip/${clip}`, { press: ["clip-share"] }],
  ["clip-delete", `/clip/${clip}`, { press: ["clip-delete"] }],
  ["clip-gone", "/clip/00000000-0000-7000-8000-000000000000"],
  ["clip-make", `/v/${vod}?t=12s`, { wait: 3500, press: ["clip"], after_press: 4000 }],
  ["clip-make-live", "/c/linh_makes", { wait: 6000, press: ["clip"], after_press: 5000 }],
  ["clip-embed", `/embed/clip/${clip}`, { wait: 3500 }],
  ["channel-clips", "/c/linh_makes?tab=clips", { wait: 3000, focus: "channel-clips" }],
  ["channel-clips-empty", "/c/rosa?tab=clips", { focus: "channel-clips" }],
  ["studio-clips", "/studio", { wait: 3000, focus: "who-may-clip" }],
  ["signin", "/signin", { anonymous: true }],
  [
    "signin-second-step",
    "/signin",
    {
      anonymous: true,
      fill: [
        ["login", "linh_makes"],
        ["password", "code"],
      ],
      press: ["submit"],
    },
  ],
  [
    "signin-second-step-wrong",
    "/signin",
    {
      anonymous: true,
      fill: [
        ["login", "linh_makes"],
        ["password", "code"],
      ],
      press: ["submit", "code-kind"],
      forms: [["second-step-code", "000000", "second-step-submit"]],
    },
  ],
  ["signup", "/signup", { anonymous: true }],
  ["home-anonymous", "/", { anonymous: true }],
  ["studio-waiting", "/studio", { before: ["offline"], after: ["live"] }],
  ["studio-live", "/studio", { wait: 4000 }],
  [
    "studio-health-bad",
    "/studio",
    { before: ["health-bad"], after: ["health-good"], wait: 4000, focus: "ingest-health" },
  ],
  [
    "studio-health-silent",
    "/studio",
    { before: ["health-silent"], after: ["health-good"], wait: 9000, focus: "ingest-health" },
  ],
  [
    "studio-health-new",
    "/studio",
    { before: ["health-new"], after: ["health-good"], focus: "ingest-health" },
  ],
  [
    "studio-takeover",
    "/studio",
    { before: ["takeover"], after: ["takeover-off"], wait: 3000, focus: "encoder-panel" },
  ],
  ["emotes", "/studio/emotes"],
  ["emotes-empty", "/studio/emotes", { before: ["empty"], after: ["full"] }],
  ["emotes-fail", "/studio/emotes", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["analytics", "/studio/analytics", { whole: true }],
  ["analytics-year", "/studio/analytics?from=2026-01-01&to=2026-06-30&compare=false", { whole: true }],
  ["analytics-empty", "/studio/analytics", { before: ["empty"], after: ["full"] }],
  ["analytics-fail", "/studio/analytics", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["analytics-loading", "/studio/analytics", { stalls: /v1\/me\/analytics/ }],
  ["analytics-offline", "/studio/analytics", { isCut: true }],
  ["analytics-stream", "/studio/analytics/latest", { whole: true, press: ["table-toggle-viewers"] }],
  ["analytics-stream-loading", "/studio/analytics/latest", { stalls: /v1\/me\/analytics/ }],
  ["analytics-stream-gone", "/studio/analytics/gone"],
  ["webhooks", "/studio/webhooks", { whole: true }],
  ["webhooks-log", "/studio/webhooks", { whole: true, press: ["webhook-log-open", "delivery"] }],
  ["webhooks-new", "/studio/webhooks", { press: ["webhook-new"] }],
  ["webhooks-loading", "/studio/webhooks", { stalls: /me\/webhooks/ }],
  ["webhooks-empty", "/studio/webhooks", { before: ["empty"], after: ["full"] }],
  ["webhooks-fail", "/studio/webhooks", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["mod", "/mod/linh_makes"],
  ["mod-empty", "/mod/linh_makes", { before: ["empty"], after: ["full"] }],
  ["mod-fail", "/mod/linh_makes", { before: ["fail"], after: ["heal"], wait: 5000 }],
  [
    "channel-banned",
    "/c/linh_makes",
    { before: ["viewer", "banned"], after: ["moderates", "unbanned"], wait: 4000 },
  ],
  ["mod-forbidden", "/mod/linh_makes", { before: ["viewer"], after: ["moderates"] }],
  ["settings", "/settings", { whole: true }],
  [
    "settings-loading",
    "/settings",
    { stalls: /me\/(notification-settings|privacy|push|sessions)/, whole: true },
  ],
  ["two-factor", "/settings", { focus: "two-factor" }],
  [
    "two-factor-is-on",
    "/settings",
    { before: ["two-factor"], after: ["two-factor-off"], focus: "two-factor" },
  ],
  ["two-factor-password", "/settings", { press: ["two-factor-on"] }],
  [
    "two-factor-scan",
    "/settings",
    { press: ["two-factor-on"], forms: [["two-factor-password", "good", "two-factor-next"]] },
  ],
  [
    "two-factor-codes",
    "/settings",
    {
      press: ["two-factor-on"],
      forms: [
        ["two-factor-password", "good", "two-factor-next"],
        ["two-factor-code", "123456", "two-factor-confirm"],
      ],
      after_each: ["two-factor-off"],
    },
  ],
  [
    "two-factor-turn-off",
    "/settings",
    {
      before: ["two-factor"],
      after: ["two-factor-off"],
      press: ["two-factor-off"],
      forms: [
        ["two-factor-password", "good", null],
        ["two-factor-code", "000000", "two-factor-confirm"],
      ],
    },
  ],
  ["two-factor-loading", "/settings", { stalls: /me\/two-factor/, focus: "two-factor-loading" }],
  ["friends", "/friends", { whole: true }],
  ["friends-empty", "/friends", { before: ["empty"], after: ["full"] }],
  ["friends-loading", "/friends", { stalls: /api\/v1\/friends/ }],
  ["friends-fail", "/friends", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["friends-offline", "/friends", { isCut: true }],
  ["messages-found", "/messages", { type: ["room-search", "the in"] }],
  ["messages-found-none", "/messages", { type: ["room-search", "zzz"] }],
  ["messages-found-fail", "/messages", { type: ["room-search", "fail"] }],
  ["messages-past", `/messages/${friend}?at=${NEVER_SAID}`],
  ["messages-members", `/messages/${group}`, { press: ["room-group"] }],
  ["messages-offline", `/messages/${friend}`, { isCut: true }],
  ["messages", "/messages"],
  ["messages-empty", "/messages", { before: ["empty"], after: ["full"] }],
  ["messages-fail", "/messages", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["messages-group", `/messages/${group}`],
  ["messages-friend", `/messages/${friend}`],
  ["messages-closed", `/messages/${closed}`],
  ["messages-gone", "/messages/00000000-0000-7000-8000-000000000000"],
  ["notifications", "/notifications"],
  ["notifications-empty", "/notifications", { before: ["empty"], after: ["full"] }],
  ["bell", "/", { press: ["bell"] }],
  ["admin", "/admin/categories"],
  ["admin-members", "/admin/members"],
  ["admin-members-reset", "/admin/members", { press: ["reset-two-factor"] }],
  ["admin-reports", "/admin/reports"],
  ["admin-overview", "/admin", { whole: true, wait: 3000 }],
  ["admin-overview-empty", "/admin", { before: ["empty"], after: ["full"] }],
  ["admin-overview-fail", "/admin", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["admin-cut", "/admin", { press: ["cut"], wait: 3000 }],
  ["admin-settings", "/admin/settings", { whole: true }],
  ["admin-member-detail", "/admin/members", { press: ["member-detail-open"], after_press: 1500 }],
  ["admin-jobs", "/admin/jobs", { whole: true }],
  ["admin-jobs-empty", "/admin/jobs", { before: ["empty"], after: ["full"] }],
  ["admin-jobs-fail", "/admin/jobs", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["admin-jobs-pause", "/admin/jobs", { press: ["pause"] }],
  ["admin-jobs-details", "/admin/jobs?state=dead", { press: ["job-details"] }],
  ["admin-audit", "/admin/audit"],
  ["files", "/files", { whole: true }],
  ["files-folder", "/files?path=/pictures/2026/"],
  ["files-new-folder", "/files?path=/empty/"],
  ["files-found", "/files?q=o&sort=recent"],
  ["files-trash", "/files?trash=true"],
  ["files-chosen", "/files", { press: ["pick", "bulk-move"] }],
  ["files-menu", "/files?path=/pictures/2026/", { press: ["row-menu"] }],
  ["files-details", "/files?path=/pictures/2026/", { press: ["row-menu", "act-details"] }],
  ["files-versions", "/files?q=jingle", { press: ["row-menu", "act-versions"] }],
  ["files-preview", "/files?path=/pictures/2026/", { press: ["file-open"], after_press: 900 }],
  ["files-preview-text", "/files?q=shownotes", { press: ["file-open"], after_press: 900 }],
  ["files-uploads", "/files?path=/takes/", { send: true, wait: 1500 }],
  ["files-empty", "/files", { before: ["empty"], after: ["full"] }],
  ["files-loading", "/files", { stalls: /api\/v1\/(me\/)?files/ }],
  ["files-fail", "/files", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["files-offline", "/files", { isCut: true }],
  ["plans", "/plans", { whole: true }],
  ["plans-visitor", "/plans", { anonymous: true }],
  ["plans-buy", "/plans", { press: ["plan-buy"] }],
  ["plans-empty", "/plans", { before: ["empty"], after: ["full"], whole: true }],
  ["plans-loading", "/plans", { stalls: /api\/v1\/(plans|payments|me\/subscription)/ }],
  ["plans-fail", "/plans", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["payment", "/payments/latest", { whole: true }],
  ["payment-paid", "/payments/paid"],
  ["payment-gone", "/payments/00000000-0000-7000-8000-000000000000"],
  ["payment-offline", "/payments/latest", { isCut: true }],
  ["admin-payments", "/admin/payments", { whole: true, wait: 2000 }],
  ["admin-payments-turned", "/admin/payments", { press: ["proof-zoom-in", "proof-rotate"], wait: 2000 }],
  ["admin-payments-reject", "/admin/payments", { press: ["payment-reject"], wait: 2000 }],
  ["admin-payments-empty", "/admin/payments", { before: ["empty"], after: ["full"] }],
  ["shares", "/files/shared", { whole: true }],
  ["shares-log", "/files/shared", { press: ["share-qr", "share-log"] }],
  ["shares-edit", "/files/shared", { press: ["share-edit"] }],
  ["shares-revoke", "/files/shared", { press: ["share-revoke"] }],
  ["shares-empty", "/files/shared", { before: ["empty"], after: ["full"] }],
  ["shares-loading", "/files/shared", { stalls: /api\/v1\/share-links/ }],
  ["shares-fail", "/files/shared", { before: ["fail"], after: ["heal"], wait: 5000 }],
  ["shares-dialog", "/files?path=/pictures/2026/", { press: ["row-menu", "act-share"], after_press: 900 }],
  ["shares-dialog-folder", "/files", { press: ["row-menu", "act-share"], after_press: 900 }],
  ["share-picture", "/share/picture", { anonymous: true }],
  ["share-folder", "/share/folder", { anonymous: true }],
  ["share-folder-file", "/share/folder", { anonymous: true, press: ["shared-item"], after_press: 900 }],
  ["share-words", "/share/words", { anonymous: true }],
  ["share-sound", "/share/sound", { anonymous: true }],
  ["share-other", "/share/other", { anonymous: true }],
  ["share-vod", "/share/vod", { anonymous: true, wait: 3000 }],
  ["share-gate", "/share/locked", { anonymous: true }],
  [
    "share-gate-wrong",
    "/share/locked",
    { anonymous: true, forms: [["share-gate-password", "barley", "share-gate-open"]] },
  ],
  ["share-late", "/share/late", { anonymous: true }],
  ["share-used", "/share/used", { anonymous: true }],
  ["share-gone", "/share/gone", { anonymous: true }],
  ["share-many", "/share/many", { anonymous: true }],
  ["share-loading", "/share/picture", { anonymous: true, stalls: /share-links/ }],
  ["share-fail", "/share/picture", { anonymous: true, before: ["fail"], after: ["heal"], wait: 6000 }],
  ["user-menu", "/files", { press: ["user-menu"] }],
  ["404", "/nowhere"],
  ["embed", "/embed/c/linh_makes", { wait: 4000 }],
  ["popout", "/popout/linh_makes/chat"],
  ["popout-anonymous", "/popout/linh_makes/chat", { anonymous: true }],
  ["popout-gone", "/popout/nobody_here/chat"],
  ["popout-overlay", "/popout/linh_makes/chat?transparent=1&font=30"],
];
const shapes = [
  ["desktop-dark", { width: 1280, height: 800 }, "dark", "en"],
  ["desktop-light", { width: 1280, height: 800 }, "light", "en"],
  ["phone-dark", { width: 390, height: 844 }, "dark", "vi"],
  ["phone-light", { width: 390, height: 844 }, "light", "en"],
];
const browser = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "rillcast-shots-")), {
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
  ],
});
await choose({ ...quiet, ...weekly });
for (const [
  name,
  path,
  {
    before = [],
    after = [],
    wait = 1300,
    anonymous = false,
    focus = null,
    whole = false,
    // What is pressed, what is typed where, which requests are never answered, and whether the line is lost once the page is there.
    fill = [],
    press = [],
    // What is typed where after that, and what is pressed then.
    forms = [],
    after_each = [],
    type = null,
    stalls = null,
    isCut = false,
    // Whether files are sent up.
    send = false,
    after_press = 400,
  } = {},
] of pages) {
  if (only && !new RegExp(only).test(name)) continue;
  await act(anonymous ? "signout" : "signin");
  for (const step of before) await act(step);
  for (const [shape, viewport, theme, lang] of shapes) {
    const page = await browser.newPage();
    page.on("console", (message) => {
      if (
        message.type() === "error" &&
        !/status of (401|404|410|429|503)|ERR_INTERNET_DISCONNECTED/.test(message.text())
      )
        console.log(`${name} ${shape}: ${message.text()}`);
    });
    page.on("pageerror", (error) => console.log(`${name} ${shape}: ${error.message}`));
    await page.setViewportSize(viewport);
    await page.addInitScript(
      ([th, la]) => {
        localStorage.setItem("rillcast.theme", th);
        localStorage.setItem("rillcast.lang", la);
        localStorage.removeItem("rillcast.session");
      },
      [theme, lang],
    );
    if (stalls) await page.route(stalls, () => undefined);
    await page.goto(base + path);
    await page.waitForTimeout(wait);
    for (const [id, text] of fill) await page.getByTestId(id).fill(text);
    for (const id of press) {
      await page.getByTestId(id).first().click();
      await page.waitForTimeout(after_press);
    }
    for (const [id, text, button] of forms) {
      await page.getByTestId(id).fill(text);
      if (button) await page.getByTestId(button).click();
      await page.waitForTimeout(after_press);
    }
    if (type) {
      await page.getByTestId(type[0]).fill(type[1]);
      await page.waitForTimeout(900);
    }
    if (send) {
      const bytes = (mib) => Buffer.alloc(mib << 20, 7);
      await page.getByTestId("upload-input").setInputFiles([
        { name: "take-07 (wide).mp4", mimeType: "video/mp4", buffer: bytes(24) },
        { name: "full-backup.zip", mimeType: "application/zip", buffer: bytes(6) },
        { name: "notes.md", mimeType: "text/markdown", buffer: bytes(1) },
        { name: "take-08.mp4", mimeType: "video/mp4", buffer: bytes(16) },
        { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) },
      ]);
      await page.waitForTimeout(3_400);
    }
    if (isCut) {
      await browser.setOffline(true);
      await page.waitForTimeout(2_500);
    }
    if (focus) {
      const part = page.getByTestId(focus);
      await part.evaluate((element) => element.closest("section").scrollIntoView({ block: "start" }));
      await page.waitForTimeout(300);
    }
    await page.screenshot({ path: join(out, `${name}-${shape}.png`), fullPage: whole });
    await page.close();
    for (const step of after_each) await act(step);
    if (isCut) await browser.setOffline(false);
  }
  for (const step of after) await act(step);
}
await browser.close();
