// Share links: a picture shared with a password, opened by somebody without an account who mistypes it first; a folder that is browsed and
// saved from; an end that comes; and one that is taken back while it is looked at.
//
// RILLCAST_URL names a running site, which takes files unscanned (`files.unscanned`).
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows, visitor } from "./stage.mjs";

const row = (page, name) => page.locator(`[data-testid="file"][data-name="${name}"]`);
const named = (page, id, name) => page.locator(`[data-testid="${id}"][data-name="${name}"]`);

async function act(page, name, what) {
  await row(page, name).getByTestId("row-menu").click();
  await page.getByTestId(`act-${what}`).click();
}

/** A picture that a browser draws: real bytes of a real encoder. */
async function drawn(page) {
  const url = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 900, height: 600 });
    const pen = canvas.getContext("2d");
    for (let x = 0; x < 900; x += 30) {
      pen.fillStyle = `hsl(${x / 3} 70% 50%)`;
      pen.fillRect(x, 0, 30, 600);
    }
    return canvas.toDataURL("image/jpeg", 0.9);
  });
  return Buffer.from(url.split(",")[1], "base64");
}

/** An empty page of a PDF. */
const sheet = () => {
  const parts = [
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>",
  ];
  let text = "%PDF-1.4\n";
  const places = parts.map((part, at) => {
    const place = text.length;
    text += `${at + 1} 0 obj${part}endobj\n`;
    return `${String(place).padStart(10, "0")} 00000 n \n`;
  });
  const start = text.length;
  text += `xref\n0 4\n0000000000 65535 f \n${places.join("")}trailer<</Size 4/Root 1 0 R>>\nstartxref\n${start}\n%%EOF\n`;
  return Buffer.from(text);
};

const seesPicture = (page, what) =>
  until(what, () =>
    page
      .getByTestId("shared-picture")
      .evaluate((element) => element.complete && element.naturalWidth === 900)
      .catch(() => false),
  );

await play("share", async () => {
  const alice = await member("alice");
  const page = await alice.page("/files");
  await page.getByTestId("empty-upload").waitFor();
  await page.getByTestId("upload-input").setInputFiles([
    { name: "stripes.jpg", mimeType: "image/jpeg", buffer: await drawn(page) },
    { name: "sheet.pdf", mimeType: "application/pdf", buffer: sheet() },
    { name: "words.txt", mimeType: "text/plain", buffer: Buffer.from("said and <b>done</b>\n") },
  ]);
  await shows(page, "file", { name: "stripes.jpg", state: "completed" }, 40);
  await shows(page, "file", { name: "words.txt", state: "completed" }, 40);
  await shows(page, "file", { name: "sheet.pdf", state: "completed" }, 40);

  // Made by keyboard and menu: a password, three visits, and a word when it is opened.
  await act(page, "stripes.jpg", "share");
  await page.getByTestId("share-form").waitFor();
  await page.getByTestId("share-password").fill("abc");
  await page.getByTestId("share-save").click();
  await page.getByRole("alert").waitFor();
  await page.getByTestId("share-password").fill("open sesame");
  await page.getByTestId("share-visits").fill("3");
  await page.getByTestId("share-notify").check();
  await clean(page, "the dialog of sharing", '[role="dialog"]');
  await shot(page, "dialog");
  await page.getByTestId("share-save").click();
  const url = await page.getByTestId("share-url").inputValue();
  check(/\/share\/[0-9a-f]{40}$/.test(url), `a link: ${url}`);
  await page.getByTestId("share-qr").click();
  await until("the QR code", () =>
    page
      .getByTestId("share-qr-picture")
      .evaluate((element) => element.complete && element.naturalWidth > 0)
      .catch(() => false),
  );
  await clean(page, "the dialog with a link", '[role="dialog"]');
  await shot(page, "dialog-link");
  await page.keyboard.press("Escape");

  // Somebody without an account, on a phone in the dark: a wrong password, the right one, the picture.
  const { pathname } = new URL(url);
  const guest = await visitor(pathname, { phone: true, dark: true });
  const answer = await guest.request.get(url);
  check(answer.headers()["referrer-policy"] === "no-referrer", "no other site is told of the address");
  check(answer.headers()["x-robots-tag"]?.includes("noindex"), "nothing lists it");
  await guest.getByTestId("share-gate").waitFor();
  await clean(guest, "the page that asks for a password");
  await shot(guest, "gate");
  await guest.getByTestId("share-gate-password").fill("open barley");
  await guest.keyboard.press("Enter");
  await guest.getByRole("alert").waitFor();
  await clean(guest, "the page after a wrong password");
  await guest.getByTestId("share-gate-password").fill("open sesame");
  await guest.keyboard.press("Enter");
  await seesPicture(guest, "the picture, on a phone");
  check((await guest.getByTestId("shared-save").count()) === 0, "it is for looking only");
  await clean(guest, "the page of a picture");
  await shot(guest, "picture");
  const wide = await guest.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  check(!wide, "nothing is wider than the phone");
  // Loaded anew it goes on, and is not counted again.
  await guest.reload();
  await seesPicture(guest, "the picture after a reload");

  // Its owner sees who came by.
  await page.goto(new URL("/files/shared", page.url()).href);
  await shows(page, "share-link", { name: "stripes.jpg", state: "active" });
  await page.getByTestId("share-log").click();
  await shows(page, "share-access", { outcome: "granted" });
  const log = await page
    .getByTestId("share-access")
    .evaluateAll((all) => all.map((one) => one.dataset.outcome));
  measured.log = log;
  await clean(page, "the list of links");
  await shot(page, "links");
  const told = await until("a notification", async () => {
    const { items } = await alice.api("/notifications");
    return items.find((one) => one.type === "share_accessed");
  });
  check(told.detail === "stripes.jpg", "it says which link");

  // Taken back while it is looked at: whoever looks is told, and the picture is out of reach.
  const picture = await guest.getByTestId("shared-picture").getAttribute("src");
  await page.getByTestId("share-revoke").click();
  await page.getByTestId("share-revoke-confirm").click();
  await shows(page, "share-link", { name: "stripes.jpg", state: "revoked" });
  const gone = await guest.request.get(new URL(picture, guest.url()).href);
  check(gone.status() === 410, `its address is dead: ${gone.status()}`);
  await guest.reload();
  await guest.getByTestId("share-closed-revoked").waitFor();
  // Whoever comes by later has to prove the password to hear that.
  await guest.reload();
  await guest.getByTestId("share-gate").waitFor();
  await guest.getByTestId("share-gate-password").fill("open sesame");
  await guest.keyboard.press("Enter");
  await guest.getByTestId("share-closed-revoked").waitFor();
  await clean(guest, "the page of a link that was taken back");
  await shot(guest, "revoked");

  // A folder, to save from, without a password.
  await alice.api("/files/bulk", {
    method: "POST",
    body: { action: "move", ids: (await alice.api("/files")).items.map(({ id }) => id), path: "/trip/" },
  });
  const one = (await alice.api("/files?path=/trip/")).items.find(({ name }) => name === "words.txt");
  await alice.api(`/files/${one.id}`, { method: "PATCH", body: { path: "/trip/day one/" } });
  const folder = await alice.api("/share-links", {
    method: "POST",
    body: { path: "/trip/", permission: "download" },
  });
  const reader = await visitor(new URL(folder.url).pathname);
  await named(reader, "shared-item", "stripes.jpg").waitFor();
  await clean(reader, "a shared folder");
  await shot(reader, "folder");
  // A PDF in the browser's own viewer, where it has one: its policy lets it open, and nothing is said against it.
  measured.has_pdf_viewer = await reader.evaluate(() => navigator.pdfViewerEnabled);
  await named(reader, "shared-item", "sheet.pdf").click();
  if (measured.has_pdf_viewer) {
    const source = await reader.getByTestId("shared-pdf").getAttribute("src");
    const pdf = await reader.request.get(new URL(source, reader.url()).href);
    check(pdf.headers()["content-type"] === "application/pdf", "a PDF comes as what it is");
    await shot(reader, "pdf");
  }
  await reader.getByTestId("shared-save").waitFor();
  // The viewer has the keyboard for itself.
  await reader.getByRole("button", { name: "Close" }).click();
  await named(reader, "shared-below", "day one").click();
  await named(reader, "shared-item", "words.txt").click();
  await until("the text, as it is", async () =>
    (await reader.getByTestId("shared-words").textContent()).includes("said and <b>done</b>"),
  );
  await clean(reader, "a file of a shared folder", '[role="dialog"]');
  await shot(reader, "words");
  const [download] = await Promise.all([
    reader.waitForEvent("download"),
    reader.getByTestId("shared-save").click(),
  ]);
  check(download.suggestedFilename() === "words.txt", "it is saved under its name");
  await reader.keyboard.press("Escape");
  await reader.goBack();
  await named(reader, "shared-item", "stripes.jpg").waitFor();

  // A link that ends soon ends; one there never was asks for a password like any other.
  const soon = await alice.api("/share-links", {
    method: "POST",
    body: { path: "/trip/", expires_at: new Date(Date.now() + 2_500).toISOString() },
  });
  const { pathname: short } = new URL(soon.url);
  await until("the link to end", async () => {
    const found = await fetch(new URL(`/api/v1/share-links/token/${short.split("/").at(-1)}/access`, url), {
      method: "POST",
    });
    return found.status === 410;
  });
  const late = await visitor(short);
  await late.getByTestId("share-closed-expired").waitFor();
  await clean(late, "the page of a link that has expired");
  await shot(late, "expired");
  const never = await visitor(`/share/${"0".repeat(40)}`);
  await never.getByTestId("share-gate").waitFor();
});
