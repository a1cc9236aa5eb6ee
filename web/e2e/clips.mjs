// A clip of a broadcast that runs and one of its recording, by keyboard: where they begin and end, the loop, the link, the list, and
// what a stranger sees of them.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, until } from "./people.mjs";
import { clean, measured, member, play, plays, shot, shows, video, visitor } from "./stage.mjs";

/** What the handles enclose, in seconds of the recording. */
const trim = (page) =>
  page
    .getByTestId("trim")
    .evaluate(({ dataset }) => ({ from: Number(dataset.from), to: Number(dataset.to) }));

/** Opens it by its key, once the player offers it. */
async function begin(page) {
  await page.getByTestId("clip").waitFor({ state: "attached", timeout: 30_000 });
  await page.keyboard.press("Alt+x");
  await shows(page, "clip-editor", { state: "ready" }, 20);
}

/** Names what the editor shows and opens the clip that is made of it. */
async function make(page, title) {
  const { from, to } = await trim(page);
  await page.getByTestId("clip-title").fill(title);
  await page.getByTestId("clip-create").click();
  await page.getByTestId("clip-made").waitFor();
  await clean(page, `the dialog of ${title}`, '[role="dialog"]');
  await shot(page, `made-${title}`);
  await page.getByTestId("clip-open").click();
  await page.waitForURL("**/clip/*");
  await page.getByRole("heading", { name: title }).waitFor();
  return to - from;
}

/** Where its player says that it is, and how long the clip is by it, in seconds. */
const told = (page) =>
  page.getByTestId("seek").evaluate(({ dataset }) => ({ at: Number(dataset.at), end: Number(dataset.end) }));

await play("clips", async () => {
  const alice = await member("alice");
  const bob = await member("bob");
  const encoder = await alice.publish({ size: "640x360" });
  await alice.onAir();
  const page = await bob.page("/c/alice");
  await plays(page, "the broadcast", { by: 8 });

  // While it runs.
  await begin(page);
  await clean(page, "the editor", '[role="dialog"]');
  await shot(page, "editor-live");
  measured.of_live_s = await make(page, "While it runs");
  check(measured.of_live_s >= 5, `a clip has a length: ${measured.of_live_s}`);
  await plays(page, "the clip of the broadcast", { by: 1 });
  await clean(page, "the page of a clip");
  await until(
    "the recording to be long enough",
    async () => {
      const { items } = await alice.api("/vods?channel=alice");
      return items[0]?.duration_s >= 24;
    },
    40,
  );
  await encoder.stop();
  const vod = await alice.recording(30);

  // Of the recording, its beginning moved by keys.
  await page.goto(new URL(`/v/${vod.id}?t=16s`, page.url()).href);
  await plays(page, "the recording", { by: 1 });
  await begin(page);
  const before = await trim(page);
  const handle = page.getByTestId("handle-from");
  await handle.focus();
  for (let step = 0; step < 5; step++) await handle.press("ArrowRight");
  const { from } = await trim(page);
  check(from > before.from, `keys move the beginning: ${before.from} to ${from}`);
  await shot(page, "editor-recording");
  const length = await make(page, "From the recording");
  await plays(page, "the clip of the recording", { by: 0.5 });
  await until("its end", () => video(page, (element) => element.paused), 40);
  const ended = await told(page);
  measured.asked_s = length;
  measured.ended = ended;
  check(Math.abs(ended.at - length) < 0.25, `it ends where it should: ${ended.at} of ${length}`);
  check(Math.abs(ended.end - length) < 0.25, `its player tells its length: ${ended.end} of ${length}`);

  // Round and round.
  await page.getByTestId("player").hover();
  await page.getByTestId("loop").click();
  await until("it to begin anew", async () => (await told(page)).at < length / 2);
  check(!(await video(page, (element) => element.paused)), "it goes on");

  // Shared, listed, watched by a stranger on a phone.
  await page.getByTestId("clip-share").click();
  const link = await page.getByTestId("clip-link").inputValue();
  check(new URL(link).pathname === new URL(page.url()).pathname, `the link leads here: ${link}`);
  await clean(page, "the dialog of sharing", '[role="dialog"]');
  const stranger = await visitor("/c/alice?tab=clips", { phone: true, dark: true });
  await until("two clips", async () => (await stranger.getByTestId("clip-card").count()) === 2);
  await clean(stranger, "the list of clips");
  await shot(stranger, "list-phone");
  await stranger
    .getByTestId("clip-card")
    .filter({ hasText: "From the recording" })
    .getByRole("link")
    .first()
    .click();
  await plays(stranger, "the clip on a phone", { by: 1 });
  await clean(stranger, "the page of a clip on a phone");
  await shot(stranger, "page-phone");

  // Its maker takes it back.
  await page.keyboard.press("Escape");
  await page.getByTestId("clip-delete").click();
  await page.getByTestId("clip-delete-confirm").click();
  await until("it to be gone", async () => {
    const { items } = await alice.api("/clips?channel=alice");
    return items.length === 1;
  });
});
