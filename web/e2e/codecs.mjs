// A broadcast in HEVC, seen with a browser that cannot decode it: there from before the first picture on, and later in the recording.
// Judged by what the <video> does.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site, RILLCAST_MODERN_FFMPEG an ffmpeg that speaks Enhanced RTMP. Prints one JSON
// object; exits 1 when something does not hold.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { api, check, chromiumOf, member, site, until } from "./people.mjs";

const rtmp = process.env.RILLCAST_RTMP;
const modern = process.env.RILLCAST_MODERN_FFMPEG ?? "../target/ffmpeg/bin/ffmpeg";
const results = {};
const errors = [];

function encoder(key) {
  const child = spawn(
    modern,
    [
      ...["-hide_banner", "-loglevel", "error", "-nostdin"],
      ...["-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"],
      ...["-re", "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000"],
      ...[
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=none:keyint=60:min-keyint=60",
      ],
      ...["-pix_fmt", "yuv420p", "-b:v", "800k", "-c:a", "aac", "-b:a", "96k", "-f", "flv", `${rtmp}/${key}`],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  return async (signal) => {
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
}

const video = (page, read) => page.getByTestId("video").evaluate(read);
const now = (page) => video(page, (element) => element.currentTime);

/** Waits for a picture that moves on, with nothing wrong along the way. */
async function shows(page, what, seconds = 25) {
  const begun = Date.now();
  await page.getByTestId("video").waitFor({ state: "attached", timeout: seconds * 1000 });
  await until(what, async () => (await video(page, (element) => element.videoHeight)) > 0, seconds).catch(
    async (error) => {
      const state = await video(page, ({ readyState, currentTime, paused }) => ({
        ...{ readyState, currentTime, paused },
        phase: document.querySelector('[data-testid="player"]')?.dataset.phase,
      }));
      const playlist = await (await fetch(`${site}/live/alice/index.m3u8`)).text();
      throw new Error(`${error.message}: ${JSON.stringify(state)} ${playlist}`);
    },
  );
  results[`${what}: height`] = await video(page, (element) => element.videoHeight);
  const from = await now(page);
  await until(`${what}: it moves`, async () => (await now(page)) > from + 2, seconds);
  const decoded = await video(page, (element) => element.getVideoPlaybackQuality().totalVideoFrames);
  check(decoded > 30, `${what}: pictures are decoded: ${decoded}`);
  const seen = await page.evaluate(() => window.seen);
  check(seen.length === 0, `${what}: nothing is said to be wrong: ${seen}`);
  return Date.now() - begun;
}

async function run(browser) {
  const alice = await member("alice");
  const { stream_key: key } = await api("/me/stream-key", { token: alice.token });
  const page = await browser.newPage();
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
  results.decodes_hevc = await page.evaluate(() =>
    MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L63.90"'),
  );
  const end = encoder(key);
  try {
    results.first_picture_ms = await shows(page, "the broadcast");
    const playlist = await (await fetch(`${site}/live/alice/index.m3u8`)).text();
    results.codecs = [...playlist.matchAll(/STREAM-INF:.*CODECS="(hvc1|avc1)/g)].map(([, codec]) => codec);
    await end("SIGINT");
    const vod = await until("the recording", async () => {
      const { items } = await api("/vods?channel=alice");
      return items[0]?.status === "ready" && items[0];
    });
    await page.goto(`${site}/v/${vod.id}`);
    results.recording_ms = await shows(page, "the recording");
  } finally {
    await end("SIGKILL");
  }
  check(errors.length === 0, `no script fails: ${errors}`);
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
