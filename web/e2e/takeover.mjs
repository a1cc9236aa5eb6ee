// The studio of a broadcaster with two encoders: who publishes, handing over by a click, taking it back, nobody coming, a server that
// says no; and why the last stream ended. In both languages, with the keyboard's and the screen reader's needs looked at.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, until } from "./people.mjs";
import { clean, member, play, shot, shows } from "./stage.mjs";

const says = (page, state) => shows(page, "studio-status", { state });
const offer = (page, state, seconds = 10) => shows(page, "takeover", { state }, seconds);
const picture = (page, name) => shot(page, name, { fullPage: true });

await play("takeover", async () => {
  const alice = await member("alice");
  const { rtmps_url } = await alice.api("/me/stream-key");
  const page = await alice.page("/studio", { reducedMotion: "reduce" });
  await page.getByTestId("studio-server").waitFor();
  check((await page.getByTestId("studio-server-secure").count()) === (rtmps_url ? 1 : 0), "RTMPS is told");
  check((await page.getByTestId("last-end").count()) === 0, "there was no stream yet");

  const first = await alice.publish();
  await says(page, "live");
  await offer(page, "idle");
  await page.getByTestId("encoder-address").getByText("127.0.0.1").waitFor();
  await clean(page, "the studio on air");
  await picture(page, "live");

  // The server says no: the reason stands beside the button.
  const refusal = { status: 409, code: "takeover.no-encoder", title: "Conflict", detail: "no" };
  await page.route("**/me/stream/takeover", (route) =>
    route.fulfill({ status: 409, contentType: "application/problem+json", body: JSON.stringify(refusal) }),
  );
  await page.getByTestId("takeover-offer").click();
  await page.getByTestId("takeover-error").waitFor();
  await picture(page, "refused");
  await page.unroute("**/me/stream/takeover");

  await page.getByTestId("takeover-offer").focus();
  await page.keyboard.press("Enter");
  await offer(page, "open");
  const left = async () => Number(await page.getByTestId("takeover-left").textContent());
  const whole = await left();
  check(whole > 20 && whole <= 30, `the half minute is counted down from ${whole}`);
  await until("the seconds to go down", async () => (await left()) < whole, 5);
  check((await page.getByTestId("takeover-error").count()) === 0, "what was refused before is forgotten");
  await clean(page, "an open offer");
  await picture(page, "open");
  await page.getByTestId("takeover-cancel").click();
  await offer(page, "idle");
  check((await alice.api("/me/stream")).takeover_until === null, "it is taken back");

  await page.getByTestId("takeover-offer").click();
  await offer(page, "open");
  const second = await alice.publish();
  await offer(page, "done", 20);
  await picture(page, "done");
  const { encoder, current } = await alice.api("/me/stream");
  check(encoder.epoch === 2 && current.status === "live", `the second publishes: ${JSON.stringify(encoder)}`);
  // What the click was about is over; the next one may be made.
  await page.getByTestId("takeover-offer").waitFor();

  // Another tab made the offer: this one shows it, too.
  await alice.api("/me/stream/takeover", { method: "POST" });
  await offer(page, "open", 15);
  await offer(page, "missed", 40);
  await picture(page, "missed");

  await first.sentAway();
  await second.stop();
  await says(page, "waiting");
  await shows(page, "last-end", { reason: "unpublished" });
  await clean(page, "the studio after the stream");
  await picture(page, "ended");

  // A stream nobody stopped.
  const third = await alice.publish();
  await says(page, "live");
  await third.lose();
  await says(page, "reconnecting");
  await page.getByTestId("encoder-panel").getByText("No encoder is connected").waitFor();
  await picture(page, "reconnecting");

  const small = await alice.page("/studio", {
    ...{ phone: true, dark: true, locale: "vi-VN" },
    reducedMotion: "reduce",
  });
  const fourth = await alice.publish();
  await says(small, "live");
  await small.getByTestId("takeover-offer").tap();
  await offer(small, "open");
  await clean(small, "an open offer on a phone, in Vietnamese and in the dark");
  const width = await small.evaluate(() => document.documentElement.scrollWidth);
  check(width <= 390, `the page is as wide as the phone, and is ${width}`);
  await picture(small, "phone-open");
  await small.getByTestId("takeover-cancel").tap();
  await offer(small, "idle");
  await fourth.stop();
  await says(small, "waiting");
  await small.getByTestId("last-end").waitFor();
  await picture(small, "phone-ended");
});
