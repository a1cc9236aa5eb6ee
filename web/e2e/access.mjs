// A broadcast for followers, as its owner sets it in the studio: a follower watches across a change of token, a stranger finds
// nothing, following opens it, and making it private ends it for both.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, site, until } from "./people.mjs";
import { at, measured, member, play, plays, visitor } from "./stage.mjs";

/** The tokens that media was asked for with, and the media that was refused. */
function mediaOf(page) {
  const tokens = new Set();
  const refusals = [];
  page.on("request", (request) => {
    const { pathname, searchParams } = new URL(request.url());
    if (/^\/live\/.*\.m4s$/.test(pathname)) tokens.add(searchParams.get("token"));
  });
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    // A stream may be without a picture of itself; media it is never without.
    if (/^\/live\/.*\.(m3u8|m4s|mp4)$/.test(pathname) && response.status() >= 400)
      refusals.push(`${response.status()} ${pathname}`);
  });
  return { tokens, refusals };
}

/** All that the API and the socket say to a page. */
function heardBy(page) {
  const heard = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => heard.push(String(payload))));
  page.on("response", (response) => {
    if (response.url().includes("/api/v1/")) heard.push(response.text().catch(() => ""));
  });
  return () => Promise.all(heard);
}

await play("access", async () => {
  const [caster, fan, guest] = await Promise.all(["caster", "fan", "guest"].map(member));
  await fan.api("/channels/caster/follow", { method: "PUT" });

  const studio = await caster.page("/studio");
  await studio.getByTestId("stream-title").fill("For my followers");
  await studio.getByTestId("visibility").selectOption("followers");
  await studio.getByTestId("stream-save").click();
  await until("the setting", async () => (await caster.api("/me/stream")).visibility === "followers");
  await caster.publish();
  const live = await until("the stream", async () => (await caster.api("/me/stream")).current);

  const follower = await fan.page("/");
  const { tokens, refusals } = mediaOf(follower);
  await follower.goto(`${site}/c/caster`);
  await plays(follower, "the follower's picture", { seconds: 40 });
  await follower.getByTestId("visibility-badge").first().waitFor();
  check(![...tokens].includes(null) && tokens.size === 1, "each part is asked for with the token");

  // The stranger: the page, the lists, the embed and the socket know nothing.
  const stranger = await guest.page("/");
  const heard = heardBy(stranger);
  const finds = async (path, sign) => {
    await stranger.goto(`${site}${path}`);
    await sign.waitFor();
    await heard();
  };
  const nothing = stranger.getByTestId("state-offline");
  await finds("/c/caster", nothing);
  await finds("/", stranger.getByText("Nobody is live right now"));
  await finds("/", stranger.getByText("No recordings yet"));
  await finds("/c/caster", nothing);
  const guessed = await fetch(`${site}/live/caster/index.m3u8`);
  check(guessed.status === 404, "a guesser is told that nothing is on air");
  const told = (await heard()).filter((text) => text.includes(live.id));
  check(told.length === 0, `the stranger was told: ${told}`);

  // A fresh token is no reason to begin again.
  const stalls = await follower.getByTestId("video").evaluateHandle((element) => {
    const seen = { waiting: 0, emptied: 0 };
    element.addEventListener("waiting", () => (seen.waiting += 1));
    element.addEventListener("emptied", () => (seen.emptied += 1));
    return seen;
  });
  const from = await at(follower);
  const begun = Date.now();
  await until("a fresh token", () => tokens.size > 1, 100);
  await plays(follower, "playback with the fresh token", { seconds: 40 });
  measured.token_renewed_after_s = (Date.now() - begun) / 1000;
  measured.stalls = await stalls.jsonValue();
  check(measured.stalls.emptied === 0, "the player did not begin again");
  const played = (await at(follower)) - from;
  check(played > (Date.now() - begun) / 1000 - 3, `it went on: ${played} s`);
  check(refusals.length === 0, `nothing was refused: ${refusals}`);

  await stranger.getByTestId("follow").click();
  await plays(stranger, "the new follower's picture");

  // Its owner makes it private: over for both, and their pages say so.
  const closed = Date.now();
  await caster.api("/me/stream", { method: "PATCH", body: { visibility: "private" } });
  for (const page of [follower, stranger])
    await page.getByTestId("state-offline").waitFor({ timeout: 40_000 });
  measured.closed_after_s = (Date.now() - closed) / 1000;

  const { items } = await caster.api("/vods?channel=caster");
  const embed = await visitor(`/embed/v/${items[0].id}`);
  await embed.getByTestId("state-unavailable").waitFor();
});
