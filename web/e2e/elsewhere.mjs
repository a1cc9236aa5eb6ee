// A page of somebody else's site, with a <video> and one library: what is embedded elsewhere has to work from there.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { check, site, until } from "./people.mjs";
import { visitor } from "./stage.mjs";

/**
 * Serves such a page with a library of node_modules and returns what opens an address of the site on it: `start` runs there, and
 * puts what the library complains of into `window.complaints`.
 */
export async function elsewhere(library, start) {
  const script = readFileSync(new URL(`../node_modules/${library}`, import.meta.url));
  const html = '<!doctype html><video muted controls width="640"></video><script src="/library.js"></script>';
  const server = createServer((request, answer) => {
    const isScript = request.url === "/library.js";
    answer.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    answer.end(isScript ? script : html);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return async (path) => {
    const page = await visitor(`http://127.0.0.1:${server.address().port}/`);
    await page.evaluate(() => {
      window.complaints = [];
    });
    await page.evaluate(start, new URL(path, site).href);
    return onScreen(page);
  };
}

function onScreen(page) {
  const look = async () => {
    const { complaints, ...seen } = await page.evaluate(() => {
      const video = document.querySelector("video");
      const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
      return {
        at: video.currentTime,
        height: video.videoHeight,
        ended: video.ended,
        frames: totalVideoFrames - droppedVideoFrames,
        complaints: window.complaints,
      };
    });
    check(complaints.length === 0, `the player complains: ${complaints}`);
    return seen;
  };
  const waitFor = (what, holds, seconds) =>
    until(
      what,
      async () => {
        const now = await look();
        return holds(now) && now;
      },
      seconds,
    );
  return {
    evaluate: (read, told) => page.evaluate(read, told),
    close: () => page.context().close(),
    ends: (what) => waitFor(`${what}: its end`, ({ ended }) => ended, 40),
    /** Waits for so many seconds of it, and for pictures that change. */
    async plays(what, seconds) {
      const from = await waitFor(`${what}: a picture`, ({ frames, at }) => frames > 0 && at > 0, 40);
      const now = await waitFor(
        `${what}: ${seconds} s of it`,
        ({ at }) => at > from.at + seconds,
        seconds + 30,
      );
      check(
        now.frames > from.frames + seconds * 5,
        `${what}: its pictures change: ${from.frames} to ${now.frames}`,
      );
      check(now.height > 0, `${what}: it has a size`);
      return now;
    },
  };
}
