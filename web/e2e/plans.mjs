// A plan paid for by hand: bought, proven with a picture, approved by an administrator in a window of their own; the member's page follows by
// itself, the bell rings, and there is more room. Then one that is asked about again, and rejected, by keyboard and on a phone.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site; RILLCAST_ADMIN_PASSWORD is its first administrator's.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows, visitor } from "./stage.mjs";

const folder = mkdtempSync(join(tmpdir(), "rillcast-plans-"));

/** A picture that a browser draws: real bytes of a real encoder. */
async function drawn(page, text) {
  const url = await page.evaluate((said) => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 600, height: 900 });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#eef";
    pen.fillRect(0, 0, 600, 900);
    pen.fillStyle = "#124";
    pen.font = "40px sans-serif";
    pen.fillText(said, 60, 200);
    return canvas.toDataURL("image/png");
  }, text);
  const path = join(folder, `${text.replace(/\W/g, "")}.png`);
  writeFileSync(path, Buffer.from(url.split(",")[1], "base64"));
  return path;
}

async function signedIn(path, settings) {
  const page = await visitor(`/signin?next=${encodeURIComponent(path)}`, settings);
  await page.getByTestId("login").fill("admin");
  await page.getByTestId("password").fill(process.env.RILLCAST_ADMIN_PASSWORD);
  await page.getByTestId("submit").click();
  await page.waitForURL(({ pathname }) => pathname === path);
  return page;
}

await play("plans", async () => {
  const stranger = await visitor("/plans");
  await shows(stranger, "plan", { plan: "PRO" });
  await clean(stranger, "the plans for a visitor");

  const alice = await member("alice");
  const page = await alice.page("/plans");
  await shows(page, "my-plan", { plan: "FREE" });
  await shows(page, "plan", { plan: "FREE", running: true });
  await clean(page, "the plans");
  await shot(page, "plans");
  const free = (await alice.api("/me/files")).quota_bytes;

  await page.locator('[data-testid="plan"][data-plan="PLUS"]').getByTestId("plan-buy").click();
  await clean(page, "the dialog of buying", '[role="dialog"]');
  await page.getByTestId("buy-confirm").click();
  await shows(page, "payment-state", { status: "pending" });
  await until("the code", () =>
    page
      .getByTestId("pay-code")
      .evaluate((element) => element.complete && element.naturalWidth > 0)
      .catch(() => false),
  );
  const [payment] = (await alice.api("/payments")).items;
  check(payment.pay.qr_payload.includes(payment.reference), "the code names the reference");
  check((await page.textContent("main")).includes(payment.reference), "and so does the page");
  await page.getByTestId("countdown").waitFor();
  await clean(page, "a payment that is to be paid");
  await shot(page, "payment", { fullPage: true });

  // Sent by keyboard, with a word of what was paid.
  await page.getByTestId("proof-input").setInputFiles(await drawn(page, "49.000 VND"));
  await page.getByTestId("proof-preview").waitFor();
  await page.getByTestId("proof-send").focus();
  const admins = await signedIn("/");
  await page.keyboard.press("Enter");
  await shows(page, "payment-state", { status: "submitted" });
  await clean(page, "a payment that was proven");
  await shot(page, "submitted", { fullPage: true });

  // The administrator's bell, and their desk.
  await admins.getByTestId("bell-count").filter({ hasText: "1" }).waitFor();
  await admins.getByTestId("bell").click();
  await admins.getByTestId("bell-panel").getByTestId("notification").first().click();
  await admins.waitForURL(({ pathname }) => pathname === "/admin/payments");
  await shows(admins, "pending-payment", { id: payment.id, status: "submitted", twins: 0 });
  await until("the proof", () =>
    admins
      .getByTestId("proof-picture")
      .evaluate((element) => element.complete && element.naturalWidth === 600)
      .catch(() => false),
  );
  await admins.getByTestId("proof-zoom-in").click();
  await admins.getByTestId("proof-rotate").click();
  await shows(admins, "proof-viewer", { zoom: 1.5, turns: 1 });
  await clean(admins, "payments that wait");
  await shot(admins, "desk", { fullPage: true });

  const begun = Date.now();
  await admins.getByTestId("payment-approve").click();
  await shows(page, "payment-state", { status: "approved" });
  measured.approved_ms = Date.now() - begun;
  await page.getByTestId("bell-count").filter({ hasText: "1" }).waitFor();
  measured.bell_ms = Date.now() - begun;
  await admins.getByTestId("pending-payment").waitFor({ state: "detached" });
  await clean(page, "a receipt");
  await shot(page, "receipt");
  const { quota_bytes: quota, plan } = await alice.api("/me/files");
  check(plan === "PLUS" && quota > free, `there is more room: ${free}, then ${quota}`);
  await page.goto(new URL("/files", page.url()).href);
  await shows(page, "quota", { plan: "PLUS", quota });

  // Another, on a phone in the dark: asked about again, then rejected.
  const phone = await alice.page("/plans", { phone: true, dark: true });
  await phone.locator('[data-testid="plan"][data-plan="PLUS"]').getByTestId("plan-buy").click();
  await phone.getByTestId("buy-confirm").click();
  await shows(phone, "payment-state", { status: "pending" });
  await phone.getByTestId("proof-input").setInputFiles(await drawn(phone, "49.000 VND"));
  await phone.getByTestId("proof-send").click();
  await shows(phone, "payment-state", { status: "submitted" });
  await clean(phone, "a payment on a phone");
  await shot(phone, "phone", { fullPage: true });
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  check(!wide, "nothing is wider than the phone");
  // The same picture again: the desk warns.
  await admins.locator('[data-testid="pending-payment"][data-twins="1"]').waitFor({ timeout: 20_000 });
  await clean(admins, "a payment that looks like another");
  await admins.getByTestId("payment-ask").click();
  await admins.getByTestId("payment-why").fill("The picture is that of your first payment");
  await clean(admins, "the dialog of asking again", '[role="dialog"]');
  await admins.getByTestId("payment-refuse").click();
  await shows(phone, "payment-state", { status: "asked_again" });
  await phone.getByTestId("payment-reason").filter({ hasText: "first payment" }).waitFor();
  await phone.getByTestId("proof-input").setInputFiles(await drawn(phone, "a second one"));
  await phone.getByTestId("proof-send").click();
  await shows(phone, "payment-state", { status: "submitted" });
  const desk = await signedIn("/admin/payments", { phone: true });
  await desk.getByTestId("payment-reject").click();
  await desk.getByTestId("payment-why").fill("Nothing has arrived");
  await desk.getByTestId("payment-refuse").click();
  await shows(phone, "payment-state", { status: "rejected" });
  await clean(desk, "the desk on a phone");
  await shot(desk, "desk-phone");
});
rmSync(folder, { recursive: true, force: true });
