// hls.js by itself, on a page of somebody else's site: the playlist RILLCAST_PLAY names, for a few seconds.
//
// Prints one JSON object; exits 1 when the picture does not go on or hls.js gives up.
import { readFileSync } from "node:fs";
import { pageElsewhere } from "./elsewhere.mjs";
import { check, chromiumOf, until } from "./people.mjs";

const library = readFileSync(new URL("../node_modules/hls.js/dist/hls.min.js", import.meta.url));
const elsewhere = await pageElsewhere(library);
const browser = await chromiumOf();
try {
  const page = await browser.newPage();
  await page.goto(elsewhere.url);
  await page.evaluate((url) => {
    const video = document.querySelector("video");
    const player = new window.Hls({ lowLatencyMode: true });
    window.complaints = [];
    player.on("hlsError", (_, data) => data.fatal && window.complaints.push(`${data.type} ${data.details}`));
    player.loadSource(url);
    player.attachMedia(video);
    player.on("hlsManifestParsed", () => void video.play());
  }, process.env.RILLCAST_PLAY);
  const look = () =>
    page.evaluate(() => {
      const video = document.querySelector("video");
      const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
      return {
        at: video.currentTime,
        frames: totalVideoFrames - droppedVideoFrames,
        complaints: window.complaints,
      };
    });
  const first = await until(
    "a picture",
    async () => {
      const now = await look();
      check(now.complaints.length === 0, `hls.js gave up: ${now.complaints}`);
      return now.frames > 0 && now;
    },
    30,
  );
  const last = await until(
    "four seconds of it",
    async () => {
      const now = await look();
      check(now.complaints.length === 0, `hls.js gave up: ${now.complaints}`);
      return now.at > first.at + 4 && now;
    },
    30,
  );
  process.stdout.write(JSON.stringify(last));
} finally {
  await browser.close();
  elsewhere.close();
}
