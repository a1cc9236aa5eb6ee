// The whole way once, as people go it: a broadcaster with ffmpeg, two viewers in Chromium who chat, a follower's bell that
// rings once, an encoder that drops and comes back, and the recording to its end.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, site, until } from "./people.mjs";
import { at, countsDown, measured, member, play, plays, shot, shows, video } from "./stage.mjs";

async function say(page, text) {
  await page.getByTestId("chat-input").fill(text);
  await page.getByTestId("chat-send").click();
}

const hears = (page, text) => page.getByTestId("chat-message").filter({ hasText: text }).waitFor();

/** The seconds behind the encoder that the page shows, once it does. */
const latencyOn = (page) =>
  until("the latency to be shown", async () => {
    const shown = await page
      .getByTestId("latency")
      .textContent({ timeout: 1_000 })
      .catch(() => "");
    const seconds = Number.parseFloat(shown.replace(",", ".").replace(/[^0-9.]/g, ""));
    return seconds > 0 && seconds;
  });

await play("first-light", async () => {
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map(member));
  await alice.api("/me/stream", { method: "PATCH", body: { title: "First light" } });

  const bobs = await bob.page("/c/alice");
  await bobs.getByTestId("state-offline").waitFor();
  await bobs.getByTestId("follow").click();
  await shows(bobs, "follow", { following: true });
  await shot(bobs, "offline");

  const first = await alice.publish();
  await bobs.getByTestId("live-badge").first().waitFor({ timeout: 15_000 });
  measured.playing_after_ms = await plays(bobs, "bob's video to play");
  measured.latency_s = await latencyOn(bobs);
  check(measured.latency_s < 5, `the latency is below 5 s, and is ${measured.latency_s}`);

  const carols = await carol.page("/c/alice");
  await plays(carols, "carol's video to play");
  await say(bobs, "hello from bob");
  await hears(carols, "hello from bob");
  await say(carols, "hello from carol <b>bold</b>");
  await hears(bobs, "hello from carol <b>bold</b>");
  await shows(bobs, "viewers", { count: 2 });
  await bobs.getByTestId("bell-count").filter({ hasText: "1" }).waitFor();
  await shot(bobs, "live");

  const { id } = await alice.onAir();
  await first.lose();
  measured.countdown_s = await countsDown(bobs, 5);
  await shot(bobs, "reconnecting");
  const second = await alice.publish();
  await alice.onAir({ id });
  measured.resumed_after_ms = await plays(bobs, "bob's video to go on");
  const { items } = await bob.api("/notifications");
  measured.alerts = items.filter(({ type }) => type === "stream_online").length;
  check(measured.alerts === 1, `one alert for one stream, and there are ${measured.alerts}`);

  const stopped = Date.now();
  await second.stop();
  const { id: vod, duration_s } = await alice.recording();
  measured.ready_after_ms = Date.now() - stopped;
  measured.vod = { id: vod, duration_s };
  await bobs.getByTestId("state-offline").waitFor({ timeout: 15_000 });

  await bobs.goto(`${site}/v/${vod}`);
  await plays(bobs, "the recording to play");
  await shot(bobs, "recording");
  await video(bobs, (element) => {
    element.currentTime = Math.max(0, element.duration - 4);
  });
  await until("the recording's end", () => video(bobs, ({ ended }) => ended), 30);
  measured.ended_at_s = await at(bobs);
  check(Math.abs(measured.ended_at_s - duration_s) < 0.5, "the player reaches the recording's end");
});
