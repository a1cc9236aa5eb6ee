// Where the scripts play: one Chromium, a window of their own for everybody, and what all windows are judged by.
//
// One process plays one scenario. It prints what was measured as one JSON object and exits 1 when something does not hold.
// RILLCAST_SHOTS names a folder for pictures.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { account, check, loseEncoders, site, until } from "./people.mjs";

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
/** No page may show these, not for a moment. */
const FAULTS = ["player-error", "player-unsupported"];

/** What the scenario found out; printed in the end. */
export const measured = {};
const faults = [];
let browser;
let shots;

/** Plays a scenario: a browser before it, no encoder or browser left after it. */
export async function play(name, scenario) {
  shots = process.env.RILLCAST_SHOTS && join(process.env.RILLCAST_SHOTS, name);
  if (shots) mkdirSync(shots, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGS,
  });
  try {
    await scenario();
    check(faults.length === 0, `nothing fails on a page: ${faults.join("; ")}`);
    console.log(JSON.stringify(measured));
  } catch (error) {
    await tellSights();
    console.error(JSON.stringify(measured), faults);
    console.error(error);
    process.exitCode = 1;
  } finally {
    await loseEncoders();
    await browser.close();
  }
}

/** A window of its own at a path of the site, of somebody who is not signed in; other `settings` are the browser's own. */
export async function visitor(path, { phone, dark, ...settings } = {}) {
  const context = await browser.newContext({
    ...{ viewport: { width: 1280, height: 800 }, locale: "en-US" },
    ...(phone && PHONE),
    ...(dark && { colorScheme: "dark" }),
    ...settings,
  });
  await context.exposeBinding("tellFault", ({ page }, what) => faults.push(`${page.url()}: ${what}`));
  await context.addInitScript(watch, FAULTS);
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy/i.test(message.text()))
      faults.push(`${page.url()}: ${message.text()}`);
  });
  await page.goto(new URL(path, site).href);
  return page;
}

/** Runs in each page: whatever it shows for a moment only is remembered. */
function watch(ids) {
  const told = new Set();
  new MutationObserver(() => {
    for (const id of ids) {
      if (told.has(id) || !document.querySelector(`[data-testid="${id}"]`)) continue;
      told.add(id);
      window.tellFault(id);
    }
  }).observe(document, { subtree: true, childList: true });
}

/** Somebody with an account. `page(path, settings)` opens a window, signs in by the form and arrives at the path. */
export async function member(username) {
  const person = await account(username);
  return {
    ...person,
    async page(path = "/", settings) {
      const page = await visitor(`/signin?next=${encodeURIComponent(path)}`, settings);
      await page.getByTestId("login").fill(username);
      await page.getByTestId("password").fill(person.password);
      await page.getByTestId("submit").click();
      // Not the menu in the corner: visitors have one too. Who leaves before this is not signed in.
      await page.waitForURL(({ pathname }) => pathname === new URL(path, site).pathname);
      return page;
    },
  };
}

/** Waits until the element says so in its data: `shows(page, "follow", { following: true })`. */
export async function shows(page, id, data, seconds = 15) {
  const marks = Object.entries(data).map(([name, value]) => `[data-${name}="${value}"]`);
  const element = page.locator(`[data-testid="${id}"]${marks.join("")}`);
  await element.first().waitFor({ state: "attached", timeout: seconds * 1000 });
}

export const video = (page, read) => page.getByTestId("video").evaluate(read);
/** Seconds of the video that is shown. */
export const at = (page) => video(page, (element) => element.currentTime);
/** Lines of the picture that is shown; 0 before there is one. */
export const height = (page) => video(page, (element) => element.videoHeight);

/** Waits until the video has a picture, of so many lines, and goes on by so many seconds. Returns after how many milliseconds. */
export async function plays(page, what, { by = 1.5, lines, seconds = 30 } = {}) {
  const begun = Date.now();
  await page.getByTestId("video").waitFor({ state: "attached", timeout: seconds * 1000 });
  const hasPicture = (shown) => (lines ? shown === lines : shown > 0);
  await until(
    `${what}: a picture of ${lines ?? "some"} lines`,
    async () => hasPicture(await height(page)),
    seconds,
  );
  const look = () =>
    video(page, ({ currentTime, paused }) => ({ now: currentTime, paused, clock: Date.now() }));
  let last = await look();
  let from = last.now;
  await until(
    what,
    async () => {
      const next = await look();
      // A jump, to where it was told or to the live edge, is no playing.
      const most = ((next.clock - last.clock) / 1000) * 2 + 0.5;
      if (next.now < last.now || next.now > last.now + most) from = next.now;
      last = next;
      return !next.paused && next.now > from + by;
    },
    seconds,
  );
  return Date.now() - begun;
}

/** Waits until the page counts down the seconds it keeps waiting for the encoder, and by `by` more; returns the first it told. */
export async function countsDown(page, by = 1) {
  const overlay = page.getByTestId("state-reconnecting");
  await overlay.waitFor({ timeout: 20_000 });
  const left = async () => Number((await overlay.textContent()).match(/(\d+) s/)?.[1] ?? Number.NaN);
  const first = await left();
  check(first > 40 && first <= 60, `the seconds left are shown: ${await overlay.textContent()}`);
  await until("the seconds to go down", async () => (await left()) <= first - by, by + 5);
  return first;
}

/** Fails when axe finds something within a part of the page. */
export async function clean(page, what, within = "main") {
  // What fades in has other colours for a moment.
  await page.evaluate(() =>
    Promise.allSettled(
      document
        .getAnimations()
        .filter((one) => Number.isFinite(Number(one.effect?.getComputedTiming().endTime)))
        .map((one) => one.finished),
    ),
  );
  const { violations } = await new AxeBuilder({ page })
    .include(within)
    .exclude("[data-base-ui-focus-guard]")
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160))}`);
  check(found.length === 0, `${what} is clean: ${found.join("\n")}`);
}

export async function shot(page, name, settings) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), ...settings });
}

/** What everybody was looking at when the scenario failed. */
async function tellSights() {
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [index, page] of pages.entries()) {
    console.error(page.url(), JSON.stringify(await page.evaluate(sight).catch(String)));
    await shot(page, `failed-${index}`).catch(() => undefined);
  }
}

/** Runs in the page: its video, its parts that say something about themselves, and where the focus is. */
function sight() {
  const video = document.querySelector("video");
  const { readyState, currentTime, duration, paused, seeking, ended, videoHeight, error } = video ?? {};
  const buffered = Array.from({ length: video?.buffered.length ?? 0 }, (_, i) => [
    video.buffered.start(i),
    video.buffered.end(i),
  ]);
  const parts = [...document.querySelectorAll("[data-testid]")].map(({ dataset }) => ({ ...dataset }));
  return {
    ...{ readyState, currentTime, duration, paused, seeking, ended, videoHeight, buffered },
    fault: error?.message,
    parts: parts.filter((data) => Object.keys(data).length > 1).slice(0, 40),
    focus: document.activeElement?.outerHTML.slice(0, 120),
  };
}
