// Two-factor sign-in in a browser: turned on with an app, asked for at the sign-in, a recovery code when the app is lost, turned off.
// Codes are made here as the standard says, without our library.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { createHmac } from "node:crypto";
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows, visitor } from "./stage.mjs";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** RFC 6238: SHA-1, six digits, half a minute. `ahead`: steps from now. */
function codeOf(secret, ahead = 0) {
  const bits = [...secret].map((c) => BASE32.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const mac = createHmac("sha1", key).update(step).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A code that is nowhere near. */
function wrongOf(secret) {
  const near = [-2, -1, 0, 1, 2].map((ahead) => codeOf(secret, ahead));
  return ["000000", "111111", "222222", "333333", "444444", "555555"].find((code) => !near.includes(code));
}

/** The first step, by the form. */
async function begin(person, settings) {
  const page = await visitor("/signin?next=%2Fsettings", settings);
  await page.getByTestId("login").fill(person.username);
  await page.getByTestId("password").fill(person.password);
  await page.getByTestId("submit").click();
  return page;
}

const focused = (page) => page.evaluate(() => document.activeElement?.dataset.testid ?? null);
const arrives = (page) => page.waitForURL(({ pathname }) => pathname === "/settings");

await play("two-factor", async () => {
  const dina = await member("dina_codes");
  const page = await dina.page("/settings");
  await shows(page, "two-factor", { on: false });
  await page.getByTestId("two-factor-on").click();
  await page.getByTestId("two-factor-password").fill("not my password");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").first().waitFor();
  await page.getByTestId("two-factor-password").fill(dina.password);
  await page.keyboard.press("Enter");
  const secret = (await page.getByTestId("two-factor-secret").inputValue()).replaceAll(" ", "");
  const picture = page.getByTestId("two-factor-picture");
  await until("the picture to be drawn", () => picture.evaluate((image) => image.naturalWidth > 0));
  await clean(page, "the picture and its secret", '[role="dialog"]');
  await shot(page, "scan");

  await page.getByTestId("two-factor-code").fill(wrongOf(secret));
  await page.keyboard.press("Enter");
  await page.getByRole("alert").first().waitFor();
  check((await focused(page)) === "two-factor-code", "whoever mistyped types again");
  await page.getByTestId("two-factor-code").fill(codeOf(secret));
  await page.keyboard.press("Enter");
  const list = page.getByTestId("recovery-codes").locator("li");
  await list.first().waitFor();
  const codes = await list.allTextContents();
  check(new Set(codes).size === 10, `ten codes: ${codes}`);
  await clean(page, "the recovery codes", '[role="dialog"]');
  const download = page.waitForEvent("download");
  await page.getByTestId("download-codes").click();
  check((await download).suggestedFilename().endsWith(".txt"), "the codes are a file");
  await page.getByTestId("codes-kept").click();
  await shows(page, "two-factor", { on: true });
  check((await page.getByTestId("codes-left").textContent()).includes("10"), "ten are left");
  await page.getByTestId("two-factor").scrollIntoViewIfNeeded();
  await shot(page, "is-on");

  // With the app, by keyboard alone.
  const desk = await begin(dina);
  await desk.getByTestId("second-step-code").waitFor();
  check((await focused(desk)) === "second-step-code", "the code can be typed at once");
  const field = desk.getByTestId("second-step-code");
  check((await field.getAttribute("autocomplete")) === "one-time-code", "phones offer the code");
  check((await field.getAttribute("inputmode")) === "numeric", "phones show digits");
  await clean(desk, "the second step");
  await desk.keyboard.type(wrongOf(secret));
  await desk.keyboard.press("Enter");
  await desk.getByRole("alert").waitFor();
  check((await focused(desk)) === "second-step-code", "the field is still there to be typed into");
  // What was wrong is selected, and typed over. The code of the step in which it was turned on is spent.
  const next = codeOf(secret, 1);
  await desk.keyboard.type(`${next.slice(0, 3)} ${next.slice(3)}`);
  await desk.keyboard.press("Enter");
  await arrives(desk);
  await shows(desk, "two-factor", { on: true });

  // Without the app, on a phone.
  const phone = await begin(dina, { phone: true, dark: true });
  await phone.getByTestId("code-kind").click();
  check((await phone.getByTestId("second-step-code").getAttribute("inputmode")) === "text", "letters");
  await clean(phone, "the second step with a recovery code");
  await shot(phone, "recovery");
  await phone.getByTestId("second-step-code").fill(codes[0].toUpperCase());
  await phone.getByTestId("second-step-submit").click();
  await arrives(phone);
  await until("one code to be used up", async () =>
    (await phone.getByTestId("codes-left").textContent()).includes("9"),
  );

  // Going back asks for the password again.
  const back = await begin(dina);
  await back.getByTestId("second-step-back").click();
  check((await back.getByTestId("password").inputValue()) === "", "the password is not kept");

  await page.getByTestId("two-factor-off").click();
  await page.getByTestId("two-factor-password").fill(dina.password);
  await page.getByTestId("two-factor-code").fill(codes[1]);
  await clean(page, "turning it off", '[role="dialog"]');
  await page.getByTestId("two-factor-confirm").click();
  await shows(page, "two-factor", { on: false });
  await arrives(await begin(dina));
  measured.codes = codes.length;
});
