// A broadcaster's own server, told of what happens: made and tried in the studio, verified by what the standard says, failing,
// sent again by hand, given a new key, deleted. By mouse, by keyboard, on a phone.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site that may reach 127.0.0.1 (`outward.allow`).
import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot } from "./stage.mjs";

const heard = [];
let answer = 204;

/** The broadcaster's server. */
async function receiver() {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    heard.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(answer, { "content-type": "text/plain" });
    response.end(answer === 204 ? undefined : "the bot is being repaired");
  });
  // Does not keep a scenario that failed from ending.
  server.unref();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/bot`, close: () => server.close() };
}

/** As the standard says, without its library or ours. */
function verifies(key, { headers, body }) {
  const secret = Buffer.from(key.replace(/^whsec_/, ""), "base64");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const mine = Buffer.from(`v1,${createHmac("sha256", secret).update(signed).digest("base64")}`);
  return headers["webhook-signature"]
    .split(" ")
    .map((one) => Buffer.from(one))
    .some((one) => one.length === mine.length && timingSafeEqual(one, mine));
}

const kinds = () => heard.map(({ body }) => JSON.parse(body).type);
const state = (page, type, value) =>
  page.locator(`[data-testid="delivery"][data-type="${type}"][data-state="${value}"]`).first();

/** Runs in the page: every title a dialog has from now on, were it for a moment. */
function titlesSeen() {
  const seen = new Set();
  const look = () => {
    for (const title of document.querySelectorAll('[role="dialog"] h2')) seen.add(title.textContent);
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
  return seen;
}

await play("webhooks", async () => {
  const [alice, bob] = [await member("alice"), await member("bob")];
  const bot = await receiver();
  const page = await alice.page("/studio");
  await page.getByTestId("to-webhooks").click();
  await page.getByTestId("webhook-new").waitFor();
  await clean(page, "the empty page");
  await shot(page, "empty");

  await page.getByTestId("webhook-new").click();
  await page.getByTestId("webhook-url").fill("https://169.254.169.254/latest");
  await page.getByTestId("webhook-save").click();
  await page.getByRole("alert").filter({ hasText: "public internet" }).waitFor();
  await page.getByTestId("webhook-url").fill(bot.url);
  await page.getByTestId("webhook-description").fill("My chat bot");
  await page.getByTestId("event-all").uncheck();
  await page.getByTestId("event-vod.ready").uncheck();
  await clean(page, "the form", "[role=dialog]");
  await shot(page, "form");
  const titles = await page.evaluateHandle(titlesSeen);
  await page.keyboard.press("Enter");
  const field = page.getByTestId("webhook-secret");
  await field.waitFor();
  const key = await field.inputValue();
  await page.getByTestId("webhook-save").waitFor({ state: "detached" });
  const seen = await titles.evaluate((set) => [...set]);
  check(!seen.includes("Edit the webhook"), `a dialog that fades keeps its title: ${seen}`);
  check(/^whsec_[A-Za-z0-9+/=]{44}$/.test(key), `a key is shown: ${key.length} characters`);
  await clean(page, "the key", "[role=dialog]");
  await shot(page, "secret", { mask: [field] });
  await page.getByTestId("secret-kept").click();
  await field.waitFor({ state: "detached" });
  check(!(await page.content()).includes("whsec_"), "the key is shown once");

  const begun = Date.now();
  await page.getByTestId("webhook-ping").click();
  await state(page, "ping", "delivered").waitFor();
  measured.ping_ms = Date.now() - begun;
  check(verifies(key, heard[0]), "the ping is ours");
  await bob.api("/channels/alice/follow", { method: "PUT" });
  await until("the follow to be told", () => kinds().includes("channel.followed"));
  check(
    heard.every((one) => verifies(key, one)),
    "everything is signed",
  );

  answer = 500;
  await page.getByTestId("webhook-ping").click();
  const waiting = state(page, "ping", "waiting");
  await waiting.waitFor();
  await page.locator('[data-testid="webhook"][data-health="failing"]').waitFor();
  const row = page.locator('[data-testid="delivery"][data-status="500"]').first();
  await row.waitFor();
  await row.getByRole("button").first().focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("delivery-answer").filter({ hasText: "being repaired" }).waitFor();
  await clean(page, "the log");
  await shot(page, "log", { fullPage: true });
  answer = 204;
  const before = heard.length;
  await page.getByTestId("delivery-replay").click();
  await until("it to be sent again", () => heard.length > before);
  await page.locator('[data-testid="webhook"][data-health="on"]').waitFor();

  await page.getByTestId("webhook-rotate").click();
  await page.getByTestId("webhook-rotate-confirm").click();
  await field.waitFor();
  const fresh = await field.inputValue();
  await page.getByTestId("secret-kept").click();
  await page.getByTestId("webhook-ping").click();
  const last = await until("a message signed with both keys", () =>
    heard.find((one) => verifies(fresh, one)),
  );
  check(verifies(key, last), "the key before signs for a day");

  const phone = await alice.page("/studio/webhooks", { phone: true, dark: true });
  await phone.getByTestId("webhook-log-open").click();
  await state(phone, "ping", "delivered").waitFor();
  const width = await phone.evaluate(() => document.documentElement.scrollWidth);
  check(width <= 390, `nothing is wider than a phone: ${width}`);
  await clean(phone, "the page on a phone");
  await shot(phone, "phone", { fullPage: true });
  await phone.getByTestId("webhook-edit").click();
  await phone.getByTestId("event-all").waitFor();
  await shot(phone, "phone-form");
  await phone.keyboard.press("Escape");

  const viet = await alice.page("/studio/webhooks", { locale: "vi-VN" });
  await viet.getByTestId("webhook-log-open").click();
  await viet.getByTestId("delivery").first().waitFor();
  await shot(viet, "vi", { fullPage: true });

  await page.getByTestId("webhook-enabled").click();
  await page.locator('[data-testid="webhook"][data-health="off"]').waitFor();
  await page.getByTestId("webhook-delete").click();
  await page.getByTestId("webhook-delete-confirm").click();
  await page.getByTestId("webhook").waitFor({ state: "detached" });
  bot.close();
});
