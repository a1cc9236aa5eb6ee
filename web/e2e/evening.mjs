// A moderator's evening, in three browsers: the channel's owner and a moderator at their desks, and somebody who floods the chat.
// Appointing, a flood, slow mode, a timeout by keyboard and taking it back, filters that refuse and that hold, a warning, the card and
// a note, a ban, who was faster, the shield, the log.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site; nothing is broadcast.
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows } from "./stage.mjs";

/** An act holds everywhere within this. */
const HOLDS_MS = 2_000;

const field = (page) => page.getByTestId("chat-input");
async function say(page, text) {
  await field(page).fill(text);
  await field(page).press("Enter");
}
const line = (page, text) => page.getByTestId("chat-message").filter({ hasText: text }).last();
const failed = (page) => page.locator('[data-testid="chat-pending"][data-state="failed"]');
const sending = (page) => page.locator('[data-testid="chat-pending"][data-state="sending"]');
const waiting = (page) => page.locator('[data-testid="chat-pending"][data-state="held"]');
/** What the server refused, in words; the lines are gone afterwards. */
async function refusal(page) {
  await failed(page).first().waitFor();
  const why = await failed(page).last().getByRole("alert").textContent();
  while ((await failed(page).count()) > 0) await failed(page).first().getByText("Discard").click();
  return why;
}
/** Says it until somebody answers: whether it was said, kept back, or why not. */
async function answer(page, text) {
  await say(page, text);
  const state = await until("an answer", async () => {
    if ((await failed(page).count()) > 0) return "failed";
    if ((await waiting(page).count()) > 0) return "held";
    return (await line(page, text).count()) > 0 && "said";
  });
  return state === "failed" ? await refusal(page) : state;
}
/** Says it again and again until the answer is this one: what a moderator sets holds within two seconds, and a flood has to ebb. */
const answers = (page, text, expected) =>
  until(`${expected} to "${text}"`, async () => {
    const told = await answer(page, text);
    if (expected.test(told)) return true;
    check(/too fast/.test(told) || told === "said", `"${text}" is answered "${told}"`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    return false;
  });
const entry = (page, marks) =>
  page.locator(
    `[data-testid="mod-act"]${Object.entries(marks)
      .map(([name, value]) => `[data-${name}="${value}"]`)
      .join("")}`,
  );
async function panel(page, id) {
  if (await page.getByTestId(`panel-${id}`).isVisible()) return;
  await page.getByTestId("panels").click();
  await page.getByTestId(`show-${id}`).check();
  await page.keyboard.press("Escape");
  await page.getByTestId(`panel-${id}`).waitFor();
}
const atDesk = (page) => shows(page, "desk", { seat: "taken" });
const joined = (page) => shows(page, "chat", { joined: true });

await play("evening", async () => {
  const [host, warden, troll] = await Promise.all(["host", "warden", "troll"].map(member));
  const owner = await host.page("/mod/host", { viewport: { width: 1440, height: 900 } });
  await atDesk(owner);

  // Not everybody sits there.
  const keeper = await warden.page("/mod/host", { viewport: { width: 1440, height: 900 } });
  await keeper.getByText("403").waitFor();
  await panel(owner, "moderators");
  await owner.getByTestId("moderator-name").fill("warden");
  await owner.getByTestId("moderator-add").click();
  await owner.locator('[data-testid="moderator"][data-username="warden"]').waitFor();
  await entry(owner, { action: "mod", target: "warden" }).waitFor();
  await until("the new moderator's seat", async () => {
    await keeper.reload();
    return atDesk(keeper).then(
      () => true,
      () => false,
    );
  });

  // The flood. How much of it the server lets through depends on how fast this machine types.
  const noisy = await troll.page("/c/host");
  await joined(noisy);
  check((await noisy.getByTestId("mod-open").count()) === 0, "a viewer is offered no desk");
  await field(noisy).focus();
  for (let i = 1; i <= 12; i += 1) {
    await noisy.keyboard.insertText(`flood ${i}`);
    await noisy.keyboard.press("Enter");
  }
  await until("every line to be answered", async () => (await sending(noisy).count()) === 0);
  measured.flood_refused = await failed(noisy).count();
  if (measured.flood_refused > 0) check(/too fast/.test(await refusal(noisy)), "a flood is slowed down");
  await line(owner, "flood 1").waitFor();
  await line(keeper, "flood 1").waitFor();

  // Slow mode.
  await keeper.getByTestId("mod-slow").selectOption("30");
  await until("the mode to be told", async () =>
    /every 30 s/.test(await noisy.getByTestId("chat").textContent()),
  );
  await answers(noisy, "slowly", /^said$/);
  await answers(noisy, "and again", /Slow mode/);
  await keeper.getByTestId("mod-slow").selectOption("0");
  await entry(owner, { action: "modes", actor: "warden" }).nth(1).waitFor();

  // A timeout by keyboard, with all of the member's lines.
  await keeper.getByTestId("chat-messages").focus();
  await keeper.keyboard.press("ArrowUp");
  await until("a line to be chosen", () =>
    keeper.evaluate(() => document.activeElement?.getAttribute("data-index") !== null),
  );
  await keeper.keyboard.press("Enter");
  await keeper.getByTestId("mod-menu-popup").waitFor();
  await clean(keeper, "the menu of acts");
  const ten = keeper.getByTestId("mod-timeout-600");
  await until("ten minutes to be chosen", async () => {
    await keeper.keyboard.press("ArrowDown");
    return ten.evaluate((item) => item.hasAttribute("data-highlighted"));
  });
  const begun = Date.now();
  await keeper.keyboard.press("Enter");
  await noisy.getByTestId("chat-barred").waitFor();
  measured.timeout_told_ms = Date.now() - begun;
  check(measured.timeout_told_ms < HOLDS_MS, `the timeout is told at once: ${measured.timeout_told_ms} ms`);
  await line(owner, "flood 1").waitFor({ state: "detached" });
  await entry(owner, { action: "timeout", actor: "warden", target: "troll" }).waitFor();
  await owner.locator('[data-testid="sanction"][data-username="troll"]').waitFor();
  await answers(noisy, "let me in", /timed out/);
  await shot(keeper, "timeout");

  // Taken back: the lines are there again, and the log keeps both.
  await keeper
    .getByRole("dialog", { name: /timed out/ })
    .getByTestId("mod-undo")
    .click();
  await noisy.getByTestId("chat-barred").waitFor({ state: "detached" });
  await line(owner, "flood 1").waitFor();
  await entry(owner, { action: "timeout", gone: true }).waitFor();
  await entry(owner, { action: "undo", actor: "warden", target: "troll" }).waitFor();
  await answers(noisy, "thank you", /^said$/);
  await line(keeper, "thank you").waitFor();

  // A filter sees through disguises.
  await panel(keeper, "filters");
  await keeper.getByTestId("filter-pattern").fill("spoiler*");
  await keeper.getByTestId("filter-add").click();
  await keeper.locator('[data-testid="filter"][data-pattern="spoiler*"]').waitFor();
  await answers(noisy, "big SP0ÍLERS ahead", /does not allow/);

  // A line that waits: let through, it is its author's.
  await keeper.getByTestId("filter-pattern").fill("cookies");
  await keeper.getByTestId("filter-action").selectOption("hold");
  await keeper.getByTestId("filter-add").click();
  await keeper.locator('[data-testid="filter"][data-pattern="cookies"]').waitFor();
  await answers(noisy, "cookies for everybody", /^held$/);
  await keeper.getByTestId("held").first().getByTestId("held-approve").click();
  await keeper.getByTestId("held").first().waitFor({ state: "detached" });
  await line(owner, "cookies for everybody").waitFor();
  await waiting(noisy).waitFor({ state: "detached" });
  await entry(owner, { action: "approve", actor: "warden", target: "troll" }).waitFor();

  // A warning stands until it is read.
  const words = line(keeper, "thank you");
  await words.hover();
  await words.getByTestId("mod-menu").click();
  await keeper.getByTestId("mod-warn").click();
  await keeper.getByTestId("mod-reason").fill("no spoilers here");
  await keeper.getByTestId("mod-confirm").click();
  await noisy.getByTestId("chat-warning").getByText("no spoilers here").waitFor();
  await answers(noisy, "what warning", /warned/);
  await noisy.getByTestId("chat-warning-read").click();
  await noisy.getByTestId("chat-warning").waitFor({ state: "detached" });
  await answers(noisy, "understood", /^said$/);
  await line(owner, "understood").waitFor();

  // What is known of them, and a note for the other one.
  const spoken = line(keeper, "understood");
  await spoken.hover();
  await spoken.getByTestId("mod-menu").click();
  await keeper.getByTestId("mod-card-open").click();
  const card = keeper.getByTestId("mod-card");
  await card.locator('[data-testid="mod-act"][data-action="warn"]').waitFor();
  await card.getByText("cookies for everybody").first().waitFor();
  await card.getByTestId("note-text").fill("means well");
  await card.getByTestId("note-add").click();
  await card.getByTestId("note").getByText("means well").waitFor();
  await clean(keeper, "the card", "[data-testid=mod-card]");
  await shot(keeper, "card");
  await keeper.keyboard.press("Escape");
  await card.waitFor({ state: "detached" });

  // A line is reported, and the report lands at both desks; one of them decides.
  const reported = line(keeper, "understood");
  await reported.hover();
  await reported.getByTestId("mod-menu").click();
  await keeper.getByTestId("mod-report").click();
  await keeper.getByTestId("report-reason").selectOption("spam");
  await keeper.getByTestId("report-note").fill("the third time today");
  await clean(keeper, "the report", "[data-testid=report-dialog]");
  await keeper.getByTestId("report-send").click();
  await keeper.getByTestId("report-dialog").waitFor({ state: "detached" });
  const report = owner.getByTestId("panel-reports").getByTestId("report").filter({ hasText: "understood" });
  await report.getByText("the third time today").waitFor();
  await clean(owner, "the reports", "[data-testid=panel-reports]");
  await report.getByTestId("report-dismiss").click();
  await report.waitFor({ state: "detached" });
  await entry(keeper, { action: "report_dismiss", actor: "host", target: "troll" }).waitFor();

  // The owner bans, for a reason; the moderator who was slower hears by whom.
  const last = line(owner, "understood");
  await last.hover();
  await last.getByTestId("mod-menu").click();
  await owner.getByTestId("mod-custom").click();
  await owner.getByTestId("mod-dialog").getByText("Ban", { exact: true }).first().click();
  await owner.getByTestId("mod-reason").fill("enough for tonight");
  await clean(owner, "the dialog", "[data-testid=mod-dialog]");
  await owner.getByTestId("mod-confirm").click();
  await noisy.getByTestId("chat-barred").getByText("enough for tonight").waitFor();
  await keeper.getByTestId("sanction-name").fill("troll");
  await keeper.getByTestId("sanction-name").press("Enter");
  await keeper.getByTestId("mod-confirm").click();
  await keeper.getByText("host has done that already.").first().waitFor({ state: "attached" });
  await keeper.keyboard.press("Escape");
  await noisy.reload();
  await noisy.getByTestId("chat-barred").waitFor();
  await line(noisy, "flood").waitFor({ state: "detached" });
  check((await field(noisy).count()) === 0, "who is banned is offered nothing to write into");

  // Who is banned asks to be let in again: once no, and the words to it; they have to wait for another try. Lifted by name.
  await noisy.getByTestId("plea-open").click();
  await noisy.getByTestId("plea-text").fill("I have slept over it");
  await clean(noisy, "asking to be let in again", "[data-testid=chat]");
  await noisy.getByTestId("plea-send").click();
  await shows(noisy, "plea", { state: "open" });
  await panel(keeper, "requests");
  const request = keeper.locator('[data-testid="unban-request"][data-username="troll"]');
  await request.getByText("I have slept over it").waitFor();
  await request.getByTestId("request-note").fill("one more night");
  await clean(keeper, "the requests", "[data-testid=panel-requests]");
  await shot(keeper, "request");
  await request.getByTestId("request-deny").click();
  await request.waitFor({ state: "detached" });
  await shows(noisy, "plea", { state: "denied" });
  await noisy.getByTestId("plea").getByText("one more night").waitFor();
  check((await noisy.getByTestId("plea-open").count()) === 0, "after a no there is a pause");
  await entry(owner, { action: "request_deny", actor: "warden", target: "troll" }).waitFor();
  await keeper.locator('[data-testid="sanction"][data-username="troll"]').getByTestId("unban").click();
  await noisy.getByTestId("chat-barred").waitFor({ state: "detached" });
  await field(noisy).waitFor();

  // The shield: everything at once, and nobody who does not follow.
  await owner.getByTestId("mod-shield").click();
  await entry(owner, { action: "shield", actor: "host" }).waitFor();
  await answers(noisy, "raid!", /followers/i);
  await shot(owner, "shield");
  await clean(owner, "the desk");
  await owner.getByTestId("mod-shield").click();
  await until("the shield to be down", async () => !(await owner.getByTestId("mod-shield").isChecked()));

  // The log by what was done; the panels as they were left.
  await owner.getByTestId("log-action").selectOption("ban");
  await entry(owner, { action: "shield" }).first().waitFor({ state: "detached" });
  await entry(owner, { action: "ban", actor: "host", target: "troll" }).waitFor();
  await owner.getByTestId("log-action").selectOption("");
  await owner.getByTestId("log-actor").fill("warden");
  await entry(owner, { actor: "host" }).first().waitFor({ state: "detached" });
  const acts = entry(owner, { actor: "warden" });
  await until("all that the moderator did", async () => (await acts.count()) >= 6);
  measured.acts_of_the_moderator = await acts.count();

  const width = () =>
    owner.getByTestId("chat").evaluate((chat) => Math.round(chat.getBoundingClientRect().width));
  const before = await width();
  await owner.getByRole("separator").first().focus();
  await owner.keyboard.press("ArrowRight");
  await until("the chat to be wider", async () => (await width()) > before + 20);
  const after = await width();
  await owner.getByTestId("hide-sanctions").click();
  await owner.reload();
  await atDesk(owner);
  await until("the width as it was left", async () => Math.abs((await width()) - after) < 3);
  check((await owner.getByTestId("panel-sanctions").count()) === 0, "what was hidden stays hidden");

  // Dismissed: the desk closes.
  await owner
    .locator('[data-testid="moderator"][data-username="warden"]')
    .getByTestId("moderator-remove")
    .click();
  await owner.getByTestId("moderator-remove-confirm").click();
  await entry(owner, { action: "unmod", target: "warden" }).waitFor();
  await keeper.reload();
  await keeper.getByText("403").waitFor();

  const phone = await host.page("/mod/host", { phone: true });
  await atDesk(phone);
  await phone.getByTestId("tab-log").click();
  await entry(phone, { action: "unmod" }).waitFor();
  await clean(phone, "the desk on a phone");
  await shot(phone, "phone");
});
