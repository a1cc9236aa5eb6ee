// A broadcast for followers, as its owner sets it in the studio: a follower watches across a change of token, a stranger finds
// nothing, following opens it, and making it private ends it for both.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site. Prints one JSON object; exits 1 when something does not hold.
import { api, check, chromiumOf, member, publish, site, until } from "./people.mjs";

const results = {};
const errors = [];
const secrets = [];

async function visitor(browser, person, path = "/") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US" });
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  if (person) {
    await page.goto(`${site}/signin?next=${encodeURIComponent(path)}`);
    await page.getByTestId("login").fill(person.username);
    await page.getByTestId("password").fill(person.password);
    await page.getByTestId("submit").click();
    // Not the menu in the corner: visitors have one too. Who leaves before this is not signed in.
    await page.waitForURL((url) => url.pathname === path);
  }
  return page;
}

const at = (page) => page.getByTestId("video").evaluate((video) => video.currentTime);

async function plays(page, what, seconds = 40) {
  await page.getByTestId("video").waitFor({ state: "attached" });
  let from = await at(page);
  await until(
    what,
    async () => {
      const now = await at(page);
      // A player that has just come to the live edge may count from elsewhere.
      if (now < from) from = now;
      return now > from + 1;
    },
    seconds,
  ).catch(async (error) => {
    const state = await page.getByTestId("video").evaluate((video) => {
      const { currentTime, paused, readyState, networkState, muted, error: fault } = video;
      const ranges = Array.from({ length: video.buffered.length }, (_, i) => [
        video.buffered.start(i),
        video.buffered.end(i),
      ]);
      return { currentTime, paused, readyState, networkState, muted, fault: fault?.message, ranges };
    });
    throw new Error(`${error.message}: ${JSON.stringify(state)}`);
  });
}

const browser = await chromiumOf();
const [caster, fan, guest] = [await member("caster"), await member("fan"), await member("guest")];
await api("/channels/caster/follow", { method: "PUT", token: fan.token });
let encoder;
try {
  const studio = await visitor(browser, caster, "/studio");
  await studio.getByTestId("stream-title").fill("For my followers");
  await studio.getByTestId("visibility").selectOption("followers");
  await studio.getByTestId("stream-save").click();
  await until("the setting", async () => {
    return (await api("/me/stream", { token: caster.token })).visibility === "followers";
  });
  const { stream_key: key } = await api("/me/stream-key", { token: caster.token });
  encoder = publish(key);
  const live = await until(
    "the stream",
    async () => (await api("/me/stream", { token: caster.token })).current,
  );
  secrets.push(live.id);

  const follower = await visitor(browser, fan);
  const tokens = new Set();
  const refusals = [];
  follower.on("request", (request) => {
    const url = new URL(request.url());
    if (url.pathname.startsWith("/live/") && url.pathname.endsWith(".m4s"))
      tokens.add(url.searchParams.get("token"));
  });
  follower.on("response", (response) => {
    // A stream may be without a picture of itself; media it is never without.
    const isMedia = /\/live\/.*\.(m3u8|m4s|mp4)(\?|$)/.test(response.url());
    if (isMedia && response.status() >= 400)
      refusals.push(`${response.status()} ${response.url().split("?")[0]}`);
  });
  await follower.goto(`${site}/c/caster`);
  await plays(follower, "the follower's picture");
  await follower.getByTestId("visibility-badge").first().waitFor();
  check(![...tokens].includes(null) && tokens.size === 1, "each part is asked for with the token");

  // The stranger: the page, the lists, the embed and the socket know nothing.
  const stranger = await visitor(browser, guest);
  const heard = [];
  stranger.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => heard.push(String(payload))),
  );
  stranger.on("response", async (response) => {
    if (response.url().includes("/api/v1/")) heard.push(await response.text().catch(() => ""));
  });
  await stranger.goto(`${site}/c/caster`);
  await stranger.getByTestId("state-offline").waitFor();
  await stranger.goto(`${site}/`);
  await stranger.waitForLoadState("networkidle").catch(() => undefined);
  await stranger.goto(`${site}/c/caster`);
  await stranger.getByTestId("state-offline").waitFor();
  check(
    (await fetch(`${site}/live/caster/index.m3u8`)).status === 404,
    "a guesser is told that nothing is on air",
  );
  const told = heard.filter((text) => secrets.some((secret) => text.includes(secret)));
  check(told.length === 0, `the stranger was told: ${told}`);

  // A fresh token is no reason to begin again.
  const stalls = await follower.getByTestId("video").evaluateHandle((video) => {
    const seen = { waiting: 0, emptied: 0 };
    video.addEventListener("waiting", () => (seen.waiting += 1));
    video.addEventListener("emptied", () => (seen.emptied += 1));
    return seen;
  });
  const from = await at(follower);
  const begun = Date.now();
  await until("a fresh token", async () => tokens.size > 1, 100);
  await plays(follower, "playback with the fresh token");
  results.token_renewed_after_s = (Date.now() - begun) / 1000;
  const seen = await stalls.jsonValue();
  results.stalls = seen;
  check(seen.emptied === 0, "the player did not begin again");
  const played = (await at(follower)) - from;
  check(played > (Date.now() - begun) / 1000 - 3, `it went on: ${played} s`);
  check(refusals.length === 0, `nothing was refused: ${refusals}`);

  // Following opens it.
  await stranger.getByTestId("follow").click();
  await until(
    "the new follower's picture",
    async () => {
      const video = stranger.getByTestId("video");
      return (await video.count()) > 0 && (await video.evaluate((element) => element.currentTime > 0.5));
    },
    30,
  );

  // Its owner makes it private: over for both, and their pages say so.
  const closed = Date.now();
  await api("/me/stream", { method: "PATCH", token: caster.token, body: { visibility: "private" } });
  for (const page of [follower, stranger])
    await page.getByTestId("state-offline").waitFor({ timeout: 40_000 });
  results.closed_after_s = (Date.now() - closed) / 1000;

  const embed = await visitor(browser);
  const list = await api(`/vods?channel=caster`, { token: caster.token });
  await embed.goto(`${site}/embed/v/${list.items[0].id}`);
  await embed.getByTestId("state-unavailable").waitFor();
  check(errors.length === 0, `no page failed: ${errors}`);
} finally {
  await encoder?.end("SIGINT");
  await browser.close();
}
process.stdout.write(JSON.stringify(results));
