// MPEG-DASH in dash.js on a page of somebody else's site: a broadcast, the same from its beginning, and its recording to the
// end. Judged by what the <video> does and by what dash.js complains of.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site. Prints one JSON object; exits 1 when something does not hold.
import { readFileSync } from "node:fs";
import { pageElsewhere } from "./elsewhere.mjs";
import { api, check, chromiumOf, member, publish, site, until } from "./people.mjs";

const library = readFileSync(
  new URL("../node_modules/dashjs/dist/modern/umd/dash.all.min.js", import.meta.url),
);
const elsewhere = await pageElsewhere(library);

/** Opens a manifest; what the video and dash.js say comes from `look`. */
async function open(browser, path) {
  const page = await browser.newPage();
  await page.goto(elsewhere.url);
  await page.evaluate((url) => {
    const player = window.dashjs.MediaPlayer().create();
    window.complaints = [];
    player.on("error", ({ error }) => window.complaints.push(JSON.stringify(error).slice(0, 300)));
    player.on("playbackError", ({ error }) => window.complaints.push(String(error?.message ?? error)));
    player.initialize(document.querySelector("video"), url, true);
    window.player = player;
  }, `${site}${path}`);
  const look = () =>
    page.evaluate(() => {
      const video = document.querySelector("video");
      const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
      return {
        at: video.currentTime,
        height: video.videoHeight,
        ended: video.ended,
        frames: totalVideoFrames - droppedVideoFrames,
        live_s: window.player.isDynamic() ? window.player.getCurrentLiveLatency() : null,
        complaints: window.complaints,
      };
    });
  return { page, look };
}

async function plays(name, { look }, seconds) {
  const from = await until(
    `${name}: a picture`,
    async () => {
      const now = await look();
      check(now.complaints.length === 0, `${name}: dash.js complains: ${now.complaints}`);
      return now.frames > 0 && now.at > 0 && now;
    },
    40,
  );
  const now = await until(
    `${name}: ${seconds} s of it`,
    async () => {
      const now = await look();
      check(now.complaints.length === 0, `${name}: dash.js complains: ${now.complaints}`);
      return now.at > from.at + seconds && now;
    },
    seconds + 30,
  );
  check(
    now.frames > from.frames + seconds * 5,
    `${name}: its pictures change: ${from.frames} to ${now.frames}`,
  );
  check(now.height > 0, `${name}: it has a size`);
  return now;
}

const results = {};
const browser = await chromiumOf();
let encoder;
try {
  const caster = await member("caster");
  const { stream_key: key } = await api("/me/stream-key", { token: caster.token });
  encoder = publish(key);
  const live = "/live/caster/index.mpd";
  await until("a manifest", async () => (await fetch(`${site}${live}`)).ok, 20);
  const edge = await open(browser, live);
  results.live = await plays("live", edge, 10);
  await edge.page.close();
  const rewound = await open(browser, `${live}?dvr=1`);
  await plays("the whole stream", rewound, 2);
  await rewound.page.evaluate(() => window.player.seek(0));
  await until("the way back", async () => (await rewound.look()).live_s > 12);
  results.rewound = await plays("from its beginning", rewound, 4);
  check(results.rewound.live_s > 12, `it plays what was long ago: ${results.rewound.live_s} s`);
  await rewound.page.close();
  await encoder.end("SIGINT");
  const vod = await until("the recording", async () => {
    const { items } = await api("/vods?channel=caster");
    return items[0]?.status === "ready" && items[0];
  });
  const recording = await open(browser, `/vod/${vod.id}/index.mpd`);
  await plays("the recording", recording, 4);
  await recording.page.evaluate((at) => window.player.seek(at), vod.duration_s - 4);
  const last = await until(
    "its end",
    async () => {
      const now = await recording.look();
      check(now.complaints.length === 0, `the recording: dash.js complains: ${now.complaints}`);
      return now.ended && now;
    },
    40,
  );
  check(Math.abs(last.at - vod.duration_s) < 0.5, `it ends where it should: ${last.at} of ${vod.duration_s}`);
  results.recording = last;
} finally {
  await encoder?.end("SIGKILL");
  await browser.close();
  elsewhere.close();
}
process.stdout.write(JSON.stringify(results));
