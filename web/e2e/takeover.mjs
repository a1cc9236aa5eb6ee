// The studio of a broadcaster with two encoders: who publishes, handing over by a click, taking it back, nobody coming, a server that
// says no; and why the last stream ended. In both languages, with the keyboard's and the screen reader's needs looked at.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site. Prints one JSON object; exits 1 when something does not hold. RILLCAST_SHOTS
// names a folder for pictures.
import { mkdirSync } from "node:fs";
import { AxeBuilder } from "@axe-core/playwright";
import { api, check, chromiumOf, member, publish, site, until } from "./people.mjs";

const shots = process.env.RILLCAST_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const results = {};
const errors = [];

async function studio(browser, person, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: "en-US",
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`${site}/signin?next=/studio`);
  await page.getByTestId("login").fill(person.username);
  await page.getByTestId("password").fill(person.password);
  await page.getByTestId("submit").click();
  await page.getByTestId("studio-status").waitFor();
  return page;
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}

async function clean(page, what) {
  const { violations } = await new AxeBuilder({ page })
    .include("main")
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160))}`);
  check(found.length === 0, `${what} is clean: ${found.join("\n")}`);
}

const state = (page) => page.getByTestId("takeover").getAttribute("data-state");
const becomes = async (page, wanted, seconds = 10) => {
  let seen;
  try {
    await until(
      `the panel to say ${wanted}`,
      async () => {
        seen = await state(page);
        return seen === wanted;
      },
      seconds,
    );
  } catch (error) {
    const text = await page.getByTestId("takeover").textContent();
    throw new Error(`${error.message}: ${seen}, ${text}`);
  }
};
const says = (page, state) =>
  until(`the studio to be ${state}`, async () => {
    return (await page.getByTestId("studio-status").getAttribute("data-state")) === state;
  });

async function run(browser) {
  const alice = await member(`alice_${Date.now() % 100_000}`);
  const { stream_key: key, rtmps_url } = await api("/me/stream-key", { token: alice.token });
  const page = await studio(browser, alice);
  await page.getByTestId("studio-server").waitFor();
  check((await page.getByTestId("studio-server-secure").count()) === (rtmps_url ? 1 : 0), "RTMPS is told");
  check((await page.getByTestId("last-end").count()) === 0, "there was no stream yet");

  let first = publish(key);
  let second;
  try {
    await says(page, "live");
    await becomes(page, "idle");
    await page.getByTestId("encoder-address").getByText("127.0.0.1").waitFor();
    await clean(page, "the studio on air");
    await shot(page, "studio-live");

    // The server says no: the reason stands beside the button.
    await page.route("**/me/stream/takeover", (route) =>
      route.fulfill({
        status: 409,
        contentType: "application/problem+json",
        body: JSON.stringify({ status: 409, code: "takeover.no-encoder", title: "Conflict", detail: "no" }),
      }),
    );
    await page.getByTestId("takeover-offer").click();
    await page.getByTestId("takeover-error").waitFor();
    await shot(page, "studio-refused");
    await page.unroute("**/me/stream/takeover");

    await page.getByTestId("takeover-offer").focus();
    await page.keyboard.press("Enter");
    await becomes(page, "open");
    const left = async () => Number(await page.getByTestId("takeover-left").textContent());
    const whole = await left();
    const clocks = { page: await page.evaluate(() => Date.now()), here: Date.now() };
    check(
      whole > 20 && whole <= 30,
      `the half minute is counted down from ${whole}: ${JSON.stringify(clocks)}`,
    );
    await until("the seconds to go down", async () => (await left()) < whole, 5);
    check((await page.getByTestId("takeover-error").count()) === 0, "what was refused before is forgotten");
    await clean(page, "an open offer");
    await shot(page, "studio-open");
    await page.getByTestId("takeover-cancel").click();
    await becomes(page, "idle");
    check((await api("/me/stream", { token: alice.token })).takeover_until === null, "it is taken back");

    await page.getByTestId("takeover-offer").click();
    await becomes(page, "open");
    second = publish(key);
    await becomes(page, "done", 20);
    await shot(page, "studio-done");
    const { encoder, current } = await api("/me/stream", { token: alice.token });
    check(
      encoder.epoch === 2 && current.status === "live",
      `the second publishes: ${JSON.stringify(encoder)}`,
    );
    // What the click was about is over; the next one may be made.
    await page.getByTestId("takeover-offer").waitFor();

    // Another tab made the offer: this one shows it, too.
    await api("/me/stream/takeover", { method: "POST", token: alice.token });
    await becomes(page, "open", 15);
    await becomes(page, "missed", 40);
    await shot(page, "studio-missed");

    await first.end("SIGKILL");
    await second.end("SIGINT");
    await says(page, "waiting");
    const told = page.getByTestId("last-end");
    await told.waitFor();
    check((await told.getAttribute("data-reason")) === "unpublished", await told.textContent());
    await clean(page, "the studio after the stream");
    await shot(page, "studio-ended");

    // A stream nobody stopped.
    first = publish(key);
    await says(page, "live");
    await first.end("SIGKILL");
    await says(page, "reconnecting");
    await page.getByTestId("encoder-panel").getByText("No encoder is connected").waitFor();
    await shot(page, "studio-reconnecting");

    const small = await studio(browser, alice, {
      viewport: { width: 390, height: 844 },
      locale: "vi-VN",
      colorScheme: "dark",
      hasTouch: true,
      isMobile: true,
    });
    first = publish(key);
    await says(small, "live");
    await small.getByTestId("takeover-offer").tap();
    await becomes(small, "open");
    await clean(small, "an open offer on a phone, in Vietnamese and in the dark");
    const box = await small.evaluate(() => document.documentElement.scrollWidth);
    check(box <= 390, `the page is as wide as the phone, and is ${box}`);
    await shot(small, "studio-phone-open");
    await small.getByTestId("takeover-cancel").tap();
    await becomes(small, "idle");
    await first.end("SIGINT");
    await says(small, "waiting");
    await small.getByTestId("last-end").waitFor();
    await shot(small, "studio-phone-ended");
  } finally {
    await Promise.all([first.end("SIGKILL"), second?.end("SIGKILL")]);
  }
  check(errors.length === 0, `no script fails: ${errors}`);
}

const browser = await chromiumOf();
try {
  await run(browser);
  console.log(JSON.stringify(results));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
