// The player as viewers use it: a broadcast in two qualities, rewound and live again, by mouse, keys and touch; then its
// recording, left and found again. Judged by what the <video> does.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, site, textAt, until } from "./people.mjs";
import { at, clean, height, measured, member, play, plays, shot, shows, video, visitor } from "./stage.mjs";

const PLAYER = '[data-testid="player"]';

const isPaused = (page) => video(page, (element) => element.paused);
const bar = async (page) => {
  const { at, start, end } = await page.getByTestId("seek").evaluate((element) => ({ ...element.dataset }));
  return { at: Number(at), start: Number(start), end: Number(end) };
};

async function chooseQuality(page, name) {
  await page.getByTestId("player-settings").click();
  await page.getByTestId("player-menu").getByRole("menuitemradio", { name, exact: true }).click();
  await page.getByTestId("player-menu").waitFor({ state: "detached" });
}

/** Quality by the menu; what was chosen holds for the next visit. */
async function quality(page) {
  await chooseQuality(page, "480p");
  await plays(page, "480p to play", { lines: 480 });
  await chooseQuality(page, "720p");
  await plays(page, "720p to play", { lines: 720 });
  await chooseQuality(page, "480p");
  await page.reload();
  await until("the picture after a reload", async () => (await height(page)) > 0, 30);
  check((await height(page)) === 480, "the chosen quality is remembered, from the first picture on");
  await plays(page, "480p to play after the reload");
  await chooseQuality(page, /^Automatic/);
}

/** Keys, and the switch that leaves them to the browser. */
async function keys(page) {
  // On a button space would be the button's.
  await page.locator("h1").focus();
  await page.keyboard.press("k");
  await until("k to pause", () => isPaused(page));
  await page.keyboard.press("Space");
  await until("space to play", async () => !(await isPaused(page)));
  await page.keyboard.press("m");
  check(await video(page, (element) => element.muted), "m turns the sound off");
  await page.keyboard.press("m");
  await page.getByTestId("chat-input").or(page.getByTestId("chat-signin")).first().waitFor();
  await page.getByTestId("search").fill("");
  await page.getByTestId("search").press("k");
  check(!(await isPaused(page)), "a k that is typed pauses nothing");
  await page.getByTestId("search").fill("");
  await page.getByTestId("player").locator("video").focus();

  const said = page.getByTestId("player-said");
  await page.keyboard.press("ArrowDown");
  check((await said.textContent()) === "Volume 95%", `the volume is said: ${await said.textContent()}`);
  await page.reload();
  await plays(page, "the page to play again");
  check((await video(page, (element) => element.volume)) === 0.95, "the volume is remembered");

  await page.keyboard.press("t");
  await page.locator("html[data-theatre]").waitFor({ state: "attached" });
  const box = await page.getByTestId("player").boundingBox();
  check(box.x === 0 && box.height > 700, `the theatre has the width: ${JSON.stringify(box)}`);
  await page.reload();
  await page.locator("html[data-theatre]").waitFor({ state: "attached" });
  await plays(page, "the theatre to play");
  await page.keyboard.press("t");
  await page.locator("html:not([data-theatre])").waitFor({ state: "attached" });

  await page.keyboard.press("?");
  await page.getByTestId("shortcuts").waitFor();
  await page.getByRole("dialog").getByText("Off", { exact: true }).click();
  check(await page.getByRole("radio", { name: "Off" }).isChecked(), "the shortcuts are off");
  await page.keyboard.press("Escape");
  await page.getByTestId("shortcuts").waitFor({ state: "detached" });
  await page.locator("h1").focus();
  await page.keyboard.press("k");
  await page.keyboard.press("t");
  check(!(await isPaused(page)), "keys that are switched off do nothing");
  check((await page.locator("html[data-theatre]").count()) === 0, "keys that are switched off do nothing");
  // The bar's own keys are no shortcuts: they belong to whoever has the focus on it.
  await page.getByTestId("seek").focus();
  const before = await bar(page);
  await page.keyboard.press("ArrowLeft");
  await until("the bar's own key", async () => (await bar(page)).at < before.at - 3);
  await page.getByTestId("player-settings").click();
  await page.getByTestId("open-shortcuts").click();
  await page.getByRole("dialog").getByText("On", { exact: true }).click();
  check(await page.getByRole("radio", { name: "On" }).isChecked(), "the shortcuts are on");
  await page.keyboard.press("Escape");
  await page.getByTestId("shortcuts").waitFor({ state: "detached" });
}

/** Back to the beginning and to live again. */
async function rewind(page, username) {
  await until("a broadcast longer than its window", async () => (await bar(page)).end > 40, 60);
  const { end } = await bar(page);
  const dvr = await fetch(`${site}/live/${username}/index.m3u8?dvr=1`);
  const variant = (await dvr.text()).split("\n").find((line) => /^[^#].*m3u8/.test(line));
  const playlist = await (await fetch(new URL(variant, dvr.url))).text();
  measured.has_dvr = /#EXT-X-MEDIA-SEQUENCE:0\s/.test(playlist) && playlist.includes("seg0.m4s");

  await page.getByTestId("seek").focus();
  await page.keyboard.press("Home");
  await shows(page, "player", { rewound: true });
  measured.rewound_in_ms = await plays(page, "the beginning to play");
  const back = await bar(page);
  if (measured.has_dvr) check(back.at < 12, `the beginning is the beginning: ${JSON.stringify(back)}`);
  else
    check(
      back.start > 0 && back.at < end,
      `the bar begins where there is something: ${JSON.stringify(back)}`,
    );
  await shows(page, "go-live", { behind: true });
  if (measured.has_dvr) {
    await page.keyboard.press("PageUp");
    await page.keyboard.press("ArrowRight");
    await plays(page, "a place in between to play");
  }
  await page.getByTestId("go-live").click();
  await shows(page, "player", { rewound: false });
  measured.live_in_ms = await plays(page, "live to play");
  await until("live to be live", async () => {
    const { at, end } = await bar(page);
    return end - at < 3;
  });

  // Within the window the live playlist serves.
  await page.keyboard.press("j");
  await until("ten seconds back", async () => {
    const { at, end } = await bar(page);
    return end - at > 6;
  });
  await plays(page, "ten seconds back to play");
  await page.keyboard.press("End");
  await until("the end to be live", async () => {
    const { at, end } = await bar(page);
    return end - at < 3;
  });
}

async function figures(page) {
  await page.getByTestId("player-settings").click();
  await page.getByTestId("player-menu").waitFor();
  await clean(page, "the menu", PLAYER);
  await page.getByTestId("open-stats").click();
  const stats = page.getByTestId("stats");
  await stats.waitFor();
  await until("a delay in the figures", async () =>
    /\d\.\d\d s/.test((await stats.locator('[data-row="latency"] dd').textContent()) ?? ""),
  );
  const text = await stats.textContent();
  for (const part of ["avc1", "mp4a", "hls.js 1.", `/live/`])
    check(text.includes(part), `the figures tell ${part}: ${text}`);
  check(!text.includes("vs="), "the figures name no viewer");
  await clean(page, "the statistics", PLAYER);
  await page.getByTestId("stats-close").click();
  if (await page.evaluate(() => document.pictureInPictureEnabled)) {
    check(await page.getByTestId("pip").isVisible(), "the picture can be taken out");
    measured.has_pip = true;
  }
  const targets = await page.$$eval(
    '[data-testid="player-controls"] :is(button, input, [role="slider"])',
    (all) =>
      all
        .map((one) => ({ name: one.getAttribute("aria-label"), box: one.getBoundingClientRect() }))
        .filter(({ box }) => box.width > 0 && (box.width < 24 || box.height < 24))
        .map(({ name }) => name),
  );
  check(targets.length === 0, `nothing is smaller than 24 px: ${targets}`);
}

/** The viewer's network goes and comes. */
async function offline(page) {
  await page.context().setOffline(true);
  await page.getByTestId("player-retrying").waitFor({ timeout: 45_000 });
  await page.context().setOffline(false);
  await page.getByTestId("player-retrying").waitFor({ state: "detached", timeout: 20_000 });
  measured.back_online_in_ms = await plays(page, "the picture to come back");
}

/** Half of the recording, by its key. */
async function toTheMiddle(page, vod) {
  await page.keyboard.press("5");
  await until("half of it", async () => Math.abs((await at(page)) - vod.duration_s / 2) < 6);
}

async function touch(vod) {
  const page = await visitor(`/v/${vod.id}`, { phone: true });
  await plays(page, "the phone to play");
  await toTheMiddle(page, vod);
  const before = (await bar(page)).at;
  const box = await page.getByTestId("surface").boundingBox();
  const x = box.x + box.width * 0.1;
  const y = box.y + box.height * 0.4;
  await page.touchscreen.tap(x, y);
  await page.touchscreen.tap(x, y);
  await until("two touches to skip back", async () => (await bar(page)).at < before - 5);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  check(!wide, "nothing is wider than the phone");
  await page.context().close();
}

async function recording(vod) {
  const path = `/v/${vod.id}`;
  const page = await visitor(path);
  await plays(page, "the recording to play");
  await toTheMiddle(page, vod);
  await page.keyboard.press("Shift+>");
  check((await video(page, (element) => element.playbackRate)) === 1.25, "> is faster");
  await plays(page, "the second half to play");
  const left = await at(page);
  await page.goto(site);
  await page.getByTestId("continue").getByTestId("watched").waitFor();
  await page.goto(`${site}${path}`);
  await page.getByTestId("resumed").waitFor();
  const found = await at(page);
  check(Math.abs(found - left) < 4, `it goes on at ${left}, and went on at ${found}`);
  await page.getByTestId("start-over").click();
  await until("the beginning", async () => (await at(page)) < 5);
  await page.goto(`${site}${path}?t=12s`);
  await plays(page, "the linked moment to play");
  check(Math.abs((await at(page)) - 12) < 5, "an address with a time beats the place");
  await page.context().close();
}

/** The storyboard's picture is shown where the mouse points at, another one elsewhere; a recording without one shows the time. */
async function storyboard(vod) {
  const page = await visitor(`/v/${vod.id}`);
  await plays(page, "the recording to play");
  const hover = async (share) => {
    const box = await page.getByTestId("seek").boundingBox();
    await page.mouse.move(box.x + box.width * share, box.y + box.height / 2);
  };
  const tile = page.getByTestId("seek-tile").locator("div");
  const shownAt = async (share) => {
    await hover(share);
    await tile.waitFor();
    return await tile.evaluate(({ style }) => ({
      url: /url\("(.*)"\)/.exec(style.backgroundImage)?.[1] ?? "",
      top: -Number.parseInt(style.backgroundPosition.split(" ")[1] ?? "", 10),
    }));
  };
  const [early, late] = [await shownAt(0.05), await shownAt(0.9)];
  check(
    /\/storyboard\/sheet\d+\.jpg$/.test(new URL(early.url).pathname),
    `a sheet of the recording: ${early.url}`,
  );
  check(early.url !== late.url || early.top !== late.top, "another picture elsewhere");
  const size = await page.evaluate(async (url) => {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return [picture.naturalWidth, picture.naturalHeight];
  }, late.url);
  check(size[0] === 160 && size[1] >= late.top + 90, `the part lies in the sheet: ${size} ${late.top}`);
  measured.storyboard = { early, late, size };
  await shot(page, "storyboard-desktop-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await shownAt(0.5);
  await shot(page, "storyboard-desktop-light");
  await page.route("**/api/v1/vods/*", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), storyboard_url: null } });
  });
  await page.reload();
  await plays(page, "the recording to play again");
  await hover(0.5);
  await page.getByTestId("seek-preview").waitFor();
  check((await page.getByTestId("seek-tile").count()) === 0, "without a storyboard there is the time only");
  await page.context().close();
}

await play("player", async () => {
  const alice = await member("alice");
  const encoder = await alice.publish();
  await alice.onAir({ seconds: 30 });
  await until("a second quality", async () => (await textAt("/live/alice/index.m3u8")).includes("480p"), 30);
  const page = await visitor("/c/alice");
  measured.playing_after_ms = await plays(page, "live to play");
  await clean(page, "the player", PLAYER);
  await quality(page);
  await keys(page);
  await rewind(page, "alice");
  await figures(page);
  await offline(page);
  await page.context().close();
  await encoder.stop();
  const vod = await alice.recording(30);
  await recording(vod);
  await touch(vod);
  await storyboard(vod);
});
