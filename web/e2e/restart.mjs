// A broadcaster whose encoder is lost and comes back with other settings: another size, rate, sound, codec. A viewer who was there
// all the time, and one who joins later, judged by what their <video> does.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site, RILLCAST_MODERN_FFMPEG an ffmpeg that speaks Enhanced RTMP.
import { site, textAt, until } from "./people.mjs";
import { at, countsDown, measured, member, play, plays, shot, visitor } from "./stage.mjs";

/** With what the encoder comes back each time. */
const SETTINGS = {
  "another size, rate and sound": [360, { size: "640x360", rate: 25, sound: 44_100 }],
  "no sound": [480, { size: "854x480", sound: 0 }],
  "mono at 22 kHz": [540, { size: "960x540", sound: 22_050, also: ["-b:a", "48k", "-ac", "1"] }],
  AV1: [360, { size: "640x360", codec: "av1" }],
  "H.264 again": [720, { size: "1280x720" }],
};

/** Where the encoder changed, in seconds of the recording. */
async function changesOf(id) {
  const playlist = await textAt(`/vod/${id}/source/index.m3u8`);
  const marks = [];
  let end = 0;
  for (const line of playlist.split("\n")) {
    if (line === "#EXT-X-DISCONTINUITY") marks.push(end);
    if (line.startsWith("#EXTINF:")) end += Number.parseFloat(line.slice(8));
  }
  return marks;
}

await play("restart", async () => {
  const alice = await member("alice");
  let encoder = await alice.publish();
  const page = await visitor("/c/alice");
  await plays(page, "the first picture", { lines: 720 });
  const { id } = await alice.onAir();

  measured.resumed_ms = {};
  for (const [name, [lines, settings]] of Object.entries(SETTINGS)) {
    await encoder.lose();
    measured.countdown_s = await countsDown(page);
    await shot(page, "reconnecting");
    encoder = await alice.publish(settings);
    await alice.onAir({ id });
    measured.resumed_ms[name] = await plays(page, name, { lines });
  }

  // Taken over while it runs: nobody waits for anything.
  const next = await alice.publish({ size: "640x360", priority: 1 });
  await encoder.sentAway();
  measured.taken_over_ms = await plays(page, "the encoder that took over", { lines: 360 });
  const late = await visitor("/c/alice");
  await plays(late, "who comes later", { lines: 360 });

  await next.stop();
  const vod = await alice.recording();
  measured.vod = { id: vod.id, duration_s: vod.duration_s };
  await page.goto(`${site}/v/${vod.id}`);
  await plays(page, "the recording", { lines: 720 });
  // Through each change, from a second before it.
  const marks = await changesOf(vod.id);
  measured.changes = marks.length;
  for (const mark of marks) {
    const before = Math.max(0, mark - 1.5);
    await page.getByTestId("video").evaluate((element, to) => {
      element.currentTime = to;
    }, before);
    await until(`the recording past ${mark} s`, async () => (await at(page)) > mark + 0.5, 20);
  }
});
