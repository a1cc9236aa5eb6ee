// A broadcaster whose encoder is lost and comes back with other settings: another size, rate, sound, codec. A viewer who was there
// all the time, and one who joins later, judged by what their <video> does.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site, RILLCAST_MODERN_FFMPEG an ffmpeg that speaks Enhanced RTMP. Prints one JSON
// object; exits 1 when something does not hold. RILLCAST_SHOTS names a folder for pictures.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { api, check, chromiumOf, member, site, until } from "./people.mjs";

const rtmp = process.env.RILLCAST_RTMP;
const modern = process.env.RILLCAST_MODERN_FFMPEG ?? "../target/ffmpeg/bin/ffmpeg";
const shots = process.env.RILLCAST_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const results = { resumed_ms: {} };
const errors = [];

const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
const AAC = ["-c:a", "aac", "-b:a", "96k"];

/** ffmpeg until it is ended. `sound` in hertz, or 0 for none. */
function encoder(key, { size, rate = 30, sound = 48_000, video = H264, audio = AAC, program = "ffmpeg" }) {
  const child = spawn(
    program,
    [
      ...["-hide_banner", "-loglevel", "error", "-nostdin"],
      ...["-re", "-f", "lavfi", "-i", `testsrc2=size=${size}:rate=${rate}`],
      ...(sound ? ["-re", "-f", "lavfi", "-i", `sine=frequency=330:sample_rate=${sound}`] : []),
      ...[...video, "-g", String(rate * 2), "-b:v", "800k", ...(sound ? audio : [])],
      ...["-f", "flv", `${rtmp}/${key}`],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  return {
    async end(signal) {
      child.kill(signal);
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
    /** Resolves when it ends by itself: the server sent it away. */
    over: async () => {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

async function viewer(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: "en-US",
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  // Whatever the player shows for a moment only is remembered.
  await page.addInitScript(() => {
    window.seen = [];
    const ids = ["player-error", "player-unsupported"];
    new MutationObserver(() => {
      for (const id of ids)
        if (document.querySelector(`[data-testid="${id}"]`) && !window.seen.includes(id))
          window.seen.push(id);
    }).observe(document, { subtree: true, childList: true });
  });
  await page.goto(`${site}/c/alice`);
  await page.getByTestId("video").waitFor({ state: "attached" });
  return page;
}

const video = (page, read) => page.getByTestId("video").evaluate(read);
const height = (page) => video(page, (element) => element.videoHeight);
const now = (page) => video(page, (element) => element.currentTime);

/** Waits for a picture of this height that moves on. */
async function shows(page, what, tall, seconds = 25) {
  const begun = Date.now();
  let last;
  try {
    await until(what, async () => (await height(page)) === tall, seconds);
    const from = await now(page);
    await until(`${what}: it moves`, async () => (await now(page)) > from + 1.2, seconds);
  } catch (error) {
    last = await video(page, ({ readyState, currentTime, paused, videoHeight, buffered, error: fault }) => ({
      ...{ readyState, currentTime, paused, videoHeight, fault: fault?.message },
      buffered: Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)]),
      phase: document.querySelector('[data-testid="player"]').dataset.phase,
    }));
    throw new Error(`${error.message}: ${JSON.stringify(last)}`);
  }
  return Date.now() - begun;
}

async function countdown(page) {
  const overlay = page.getByTestId("state-reconnecting");
  await overlay.waitFor({ timeout: 15_000 });
  const left = async () => Number((await overlay.textContent()).match(/(\d+) s/)?.[1] ?? Number.NaN);
  const first = await left();
  check(first > 40 && first <= 60, `the seconds left are shown: ${await overlay.textContent()}`);
  await until("the seconds to go down", async () => (await left()) < first, 5);
  return first;
}

async function run(browser) {
  const alice = await member("alice");
  const { stream_key: key } = await api("/me/stream-key", { token: alice.token });
  let running = encoder(key, { size: "1280x720" });
  try {
    const page = await viewer(browser);
    await shows(page, "the first picture", 720);
    const id = (await api("/channels/alice")).live.id;

    const settings = {
      "another size, rate and sound": [360, { size: "640x360", rate: 25, sound: 44_100 }],
      "no sound": [480, { size: "854x480", sound: 0 }],
      "mono at 22 kHz": [
        540,
        { size: "960x540", sound: 22_050, audio: ["-c:a", "aac", "-b:a", "48k", "-ac", "1"] },
      ],
      AV1: [
        360,
        {
          size: "640x360",
          program: modern,
          video: [
            "-c:v",
            "libsvtav1",
            "-preset",
            "12",
            "-pix_fmt",
            "yuv420p",
            "-svtav1-params",
            "log-level=0",
          ],
        },
      ],
      "H.264 again": [720, { size: "1280x720" }],
    };
    for (const [name, [tall, with_]] of Object.entries(settings)) {
      await running.end("SIGKILL");
      const left = await countdown(page);
      if (name === "no sound") results.countdown_s = left;
      if (shots && name === "no sound") await page.screenshot({ path: `${shots}/reconnecting.png` });
      running = encoder(key, with_);
      await until("the same stream to be live", async () => {
        const { live } = await api("/channels/alice");
        return live?.status === "live" && live.id === id;
      });
      results.resumed_ms[name] = await shows(page, name, tall);
    }

    // Taken over while it runs: nobody waits for anything.
    const before = running;
    running = encoder(`${key}?priority=1`, { size: "640x360" });
    await before.over();
    results.taken_over_ms = await shows(page, "the encoder that took over", 360);

    const late = await viewer(browser);
    await shows(late, "who comes later", 360);
    for (const who of [page, late]) {
      const seen = await who.evaluate(() => window.seen);
      check(seen.length === 0, `the player never gives up: ${seen}`);
    }
    await running.end("SIGINT");
    const vod = await until("the recording", async () => {
      const { items } = await api("/vods?channel=alice");
      return items[0]?.status === "ready" && items[0];
    });
    results.vod = { id: vod.id, duration_s: vod.duration_s };
    await page.goto(`${site}/v/${vod.id}`);
    await shows(page, "the recording", 720);
    // Through each change, from a second before it.
    const marks = await changesOf(vod.id);
    results.changes = marks.length;
    for (const mark of marks) {
      await page.getByTestId("video").evaluate(
        (element, to) => {
          element.currentTime = to;
        },
        Math.max(0, mark - 1.5),
      );
      await until(`the recording past ${mark} s`, async () => (await now(page)) > mark + 0.5, 20);
    }
    const seen = await page.evaluate(() => window.seen);
    check(seen.length === 0, `the recording's player never gives up: ${seen}`);
  } finally {
    await running.end("SIGKILL");
  }
  check(errors.length === 0, `no script fails: ${errors}`);
}

/** Where the encoder changed, in seconds of the recording. */
async function changesOf(id) {
  const playlist = await (await fetch(`${site}/vod/${id}/source/index.m3u8`)).text();
  const marks = [];
  let at = 0;
  for (const line of playlist.split("\n")) {
    if (line === "#EXT-X-DISCONTINUITY") marks.push(at);
    if (line.startsWith("#EXTINF:")) at += Number.parseFloat(line.slice(8));
  }
  return marks;
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
