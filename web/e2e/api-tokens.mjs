// Tokens of a member's programs in a browser: made, shown once, used, ended. And a program that listens with one.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, site, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows } from "./stage.mjs";

const call = (token, path, init = {}) =>
  fetch(new URL(path, site), { ...init, headers: { authorization: `Bearer ${token}` } });

/** Reads events as a program would, until `stop`. */
async function listen(token, heard, signal) {
  const answer = await call(token, "/api/v1/events", { signal });
  check(answer.status === 200, `events: ${answer.status}`);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of answer.body) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const [name, data] = block.split("\n");
      if (data) heard.push({ event: name.slice(7), data: JSON.parse(data.slice(6)) });
    }
  }
}

await play("api-tokens", async () => {
  const nora = await member("nora_programs");
  const page = await nora.page("/settings");
  await page.getByTestId("no-api-tokens").waitFor();
  await page.getByTestId("add-api-token").click();
  const save = page.getByTestId("api-token-save");
  check(await save.isDisabled(), "a token without a name and a scope is not made");
  await page.getByTestId("api-token-name").fill("Recorder at home");
  await page.getByTestId("scope-events:read").check();
  await page.getByTestId("scope-content:read").check();
  await page.getByTestId("api-token-password").fill("not my password");
  await clean(page, "the form", '[role="dialog"]');
  await shot(page, "form");
  await save.click();
  await page.getByRole("alert").waitFor();
  await page.getByTestId("api-token-password").fill(nora.password);
  await page.keyboard.press("Enter");
  const token = await page.getByTestId("api-token-value").inputValue();
  check(/^rillcast_pat_[0-9a-f]{64}$/.test(token), "it looks like one");
  await clean(page, "the token", '[role="dialog"]');
  await shot(page, "made");
  await page.getByTestId("api-token-kept").click();
  await shows(page, "api-token", { over: false });

  // It does what it may, and nothing else.
  check((await (await call(token, "/api/v1/me")).json()).username === "nora_programs", "whose it is");
  check((await call(token, "/api/v1/files")).status === 403, "what it was not given");
  check((await call(token, "/api/v1/me/sessions")).status === 403, "what no program is given");

  const heard = [];
  // Whatever fails below, nothing goes on listening.
  const stop = AbortSignal.timeout(100_000);
  const listening = listen(token, heard, stop);
  listening.catch(() => undefined);
  await until("the first event", () => heard.some(({ event }) => event === "ready"));
  const fan = await member("fan_of_nora");
  const door = await fan.page("/c/nora_programs");
  await door.getByTestId("follow").click();
  // Of her own sign-in in another browser she hears as well.
  const isOfFollower = ({ event, data }) => event === "notification" && data.type === "new_follower";
  await until("the program to hear of a follower", () => heard.some(isOfFollower));

  const phone = await nora.page("/settings", { phone: true, dark: true });
  await phone.getByTestId("api-tokens").scrollIntoViewIfNeeded();
  await until("when it was used", async () =>
    (await phone.getByTestId("api-token").textContent()).includes("Used"),
  );
  await clean(phone, "the list", '[data-testid="api-tokens"]');
  await shot(phone, "phone");
  check(
    await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
    "nothing is wider than the phone",
  );

  const begun = Date.now();
  await page.getByTestId("end-api-token").click();
  await page.getByTestId("end-api-token-confirm").click();
  await page.getByTestId("no-api-tokens").waitFor();
  await listening;
  measured.end_ms = Date.now() - begun;
  check(heard.at(-1).event === "auth:expired", "the program is told why");
  check((await call(token, "/api/v1/me")).status === 401, "it is refused from then on");
});
