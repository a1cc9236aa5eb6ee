// The whole way once, as people go it: a broadcaster with ffmpeg, two viewers in Chromium who chat, a follower's bell that
// rings once, an encoder that drops and comes back, and the recording to its end.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site. Prints one JSON object; exits 1 when something does not hold.
import { mkdirSync } from "node:fs";
import { api, check, chromiumOf, member, publish, site, until } from "./people.mjs";

const shots = process.env.RILLCAST_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const results = {};

async function signedIn(browser, person, path) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US" });
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    results.page_errors = [...(results.page_errors ?? []), String(error)];
  });
  await page.goto(`${site}/signin?next=${encodeURIComponent(path)}`);
  await page.getByTestId("login").fill(person.username);
  await page.getByTestId("password").fill(person.password);
  await page.getByTestId("submit").click();
  await page.waitForURL((url) => url.pathname === path);
  return page;
}

const now = (page) => page.getByTestId("video").evaluate((video) => video.currentTime);

async function advances(page, what, seconds = 20) {
  await page.getByTestId("video").waitFor({ state: "attached" });
  const from = await now(page);
  const started = Date.now();
  await until(what, async () => (await now(page)) > from + 1.5, seconds);
  return Date.now() - started;
}

async function shot(page, name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
}

async function run(browser) {
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map(member));
  const { stream_key: key } = await api("/me/stream-key", { token: alice.token });
  await api("/me/stream", { method: "PATCH", token: alice.token, body: { title: "First light" } });

  const bobs = await signedIn(browser, bob, "/c/alice");
  await bobs.getByTestId("state-offline").waitFor();
  await bobs.getByTestId("follow").click();
  await until("the follow", () =>
    bobs
      .getByTestId("follow")
      .getAttribute("data-following")
      .then((is) => is === "true"),
  );
  await shot(bobs, "offline");

  let encoder = publish(key);
  try {
    await bobs.getByTestId("live-badge").first().waitFor({ timeout: 15_000 });
    results.playing_after_ms = await advances(bobs, "bob's video to play");
    const latency = await until("the latency to be shown", async () => {
      const shown =
        (await bobs
          .getByTestId("latency")
          .textContent()
          .catch(() => "")) ?? "";
      const seconds = Number.parseFloat(shown.replace(",", ".").replace(/[^0-9.]/g, ""));
      return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
    });
    results.latency_s = latency;
    check(latency < 5, `the latency is below 5 s, and is ${latency}`);

    const carols = await signedIn(browser, carol, "/c/alice");
    await advances(carols, "carol's video to play");
    await say(bobs, "hello from bob");
    await carols.getByTestId("chat-message").filter({ hasText: "hello from bob" }).waitFor();
    await say(carols, "hello from carol <b>bold</b>");
    await bobs.getByTestId("chat-message").filter({ hasText: "hello from carol <b>bold</b>" }).waitFor();
    results.viewers = await until("two viewers", async () => {
      const shown = await bobs.getByTestId("viewers").first().getAttribute("data-count");
      return shown === "2" ? 2 : 0;
    });
    await until("bob's bell", () =>
      bobs
        .getByTestId("bell-count")
        .textContent()
        .then((text) => text?.includes("1")),
    );
    await shot(bobs, "live");

    const { id: stream } = (await api("/channels/alice")).live;
    await encoder.end("SIGKILL");
    await bobs.getByTestId("state-reconnecting").waitFor({ timeout: 20_000 });
    await shot(bobs, "reconnecting");
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    encoder = publish(key);
    await until("the same stream to be live", async () => {
      const { live } = await api("/channels/alice");
      return live?.status === "live" && live.id === stream;
    });
    results.resumed_after_ms = await advances(bobs, "bob's video to go on", 30);
    const { items } = await api("/notifications", { token: bob.token });
    results.alerts = items.filter((item) => item.type === "stream_online").length;
    check(results.alerts === 1, `one alert for one stream, and there are ${results.alerts}`);

    const stopped = Date.now();
    await encoder.end("SIGINT");
    const vod = await until("the recording", async () => {
      const { items: vods } = await api("/vods?channel=alice");
      return vods[0]?.status === "ready" && vods[0];
    });
    results.ready_after_ms = Date.now() - stopped;
    await bobs.getByTestId("state-offline").waitFor({ timeout: 15_000 });
    results.vod = { id: vod.id, duration_s: vod.duration_s };

    await bobs.goto(`${site}/v/${vod.id}`);
    await advances(bobs, "the recording to play");
    await shot(bobs, "recording");
    await bobs.getByTestId("video").evaluate((video) => {
      video.currentTime = Math.max(0, video.duration - 4);
    });
    const where = (video) => ({
      ended: video.ended,
      paused: video.paused,
      time: video.currentTime,
      duration: video.duration,
      buffered: Array.from({ length: video.buffered.length }, (_, i) => [
        video.buffered.start(i),
        video.buffered.end(i),
      ]),
    });
    await until(
      "the recording's end",
      async () => {
        results.player = await bobs.getByTestId("video").evaluate(where);
        return results.player.ended;
      },
      30,
    );
    results.ended_at_s = await now(bobs);
    check(Math.abs(results.ended_at_s - vod.duration_s) < 0.5, "the player reaches the recording's end");
  } finally {
    await encoder.end("SIGKILL");
  }
  check(!results.page_errors, `no script fails: ${results.page_errors}`);
}

async function say(page, text) {
  await page.getByTestId("chat-input").fill(text);
  await page.getByTestId("chat-send").click();
}

const browser = await chromiumOf();
try {
  await run(browser);
  console.log(JSON.stringify(results));
} catch (error) {
  console.error(JSON.stringify(results));
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
