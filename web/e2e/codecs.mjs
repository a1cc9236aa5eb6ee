// A broadcast in HEVC, seen with a browser that cannot decode it: there from before the first picture on, and later in the recording.
// Judged by what the <video> does.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site, RILLCAST_MODERN_FFMPEG an ffmpeg that speaks Enhanced RTMP.
import { check, site, textAt } from "./people.mjs";
import { height, measured, member, play, plays, video, visitor } from "./stage.mjs";

/** Waits for a picture that moves on; returns after how many milliseconds it did. */
async function isDecoded(page, what) {
  const after_ms = await plays(page, what, { by: 2 });
  measured[`${what}: height`] = await height(page);
  const decoded = await video(page, (element) => element.getVideoPlaybackQuality().totalVideoFrames);
  check(decoded > 30, `${what}: pictures are decoded: ${decoded}`);
  return after_ms;
}

await play("codecs", async () => {
  const alice = await member("alice");
  const page = await visitor("/c/alice");
  measured.decodes_hevc = await page.evaluate(() =>
    MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L63.90"'),
  );
  const encoder = await alice.publish({ size: "640x360", codec: "hevc" });
  measured.first_picture_ms = await isDecoded(page, "the broadcast");
  const playlist = await textAt("/live/alice/index.m3u8");
  measured.codecs = [...playlist.matchAll(/STREAM-INF:.*CODECS="(hvc1|avc1)/g)].map(([, codec]) => codec);

  await encoder.stop();
  const { id } = await alice.recording();
  await page.goto(`${site}/v/${id}`);
  measured.recording_ms = await isDecoded(page, "the recording");
});
