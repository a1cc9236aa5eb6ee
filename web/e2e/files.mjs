// A member's files: one of 25 MB that is cut off by the line and by a reload and arrives whole, a picture with its thumbnail, and what is
// done to them, by keyboard and on a phone.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site, which takes files unscanned (`files.unscanned`).
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows, visitor } from "./stage.mjs";

const MIB = 1 << 20;
const PART = /chunked-upload\/[^/]+\/parts\//;
const folder = mkdtempSync(join(tmpdir(), "rillcast-files-"));
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const row = (page, name) => page.locator(`[data-testid="file"][data-name="${name}"]`);
const upload = (page, name) => page.locator(`[data-testid="upload"][data-name="${name}"]`);
const put = (page, path) => page.getByTestId("upload-input").setInputFiles(path);

async function act(page, name, what) {
  await row(page, name).getByTestId("row-menu").click();
  await page.getByTestId(`act-${what}`).click();
}

/** A picture that a browser draws: real bytes of a real encoder. */
async function drawn(page) {
  const url = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 1200, height: 800 });
    const pen = canvas.getContext("2d");
    for (let x = 0; x < 1200; x += 40) {
      pen.fillStyle = `hsl(${x / 4} 70% 50%)`;
      pen.fillRect(x, 0, 40, 800);
    }
    return canvas.toDataURL("image/jpeg", 0.9);
  });
  return Buffer.from(url.split(",")[1], "base64");
}

await play("files", async () => {
  const alice = await member("alice");
  const page = await alice.page("/files");
  await page.getByTestId("empty-upload").waitFor();
  await clean(page, "a page without files");
  await shot(page, "empty");

  // Slow enough to be cut off.
  const bytes = randomBytes(25 * MIB + 4_321);
  const path = join(folder, "long-take.bin");
  writeFileSync(path, bytes);
  await page.context().route(PART, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await route.continue().catch(() => undefined);
  });
  await put(page, path);
  await until(
    "a part to be there",
    async () => Number(await upload(page, "long-take.bin").getAttribute("data-percent")) >= 20,
  );

  // Paused and taken up again; then the line is lost, and comes back.
  await upload(page, "long-take.bin").getByTestId("upload-pause").click();
  await shows(page, "upload", { phase: "paused" });
  await clean(page, "what is on its way", '[data-testid="uploads"]');
  await shot(page, "paused");
  await upload(page, "long-take.bin").getByTestId("upload-resume").click();
  await shows(page, "upload", { phase: "sending" });
  await page.context().setOffline(true);
  await shows(page, "upload", { phase: "offline" }, 40);
  await shot(page, "offline");

  await page.context().setOffline(false);
  await shows(page, "upload", { phase: "sending" }, 40);

  // The page is loaded anew: nobody sends any more. The same file goes on.
  const asked = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.type());
    void dialog.accept();
  });
  await page.reload();
  measured.asked = asked;
  const left = page.locator('[data-testid="unfinished-file"][data-name="long-take.bin"]');
  await left.waitFor();
  const before = Number(await left.getAttribute("data-percent"));
  measured.there_after_reload_percent = before;
  check(before > 0 && before < 100, `some of it is there: ${before} %`);
  await clean(page, "the page with an upload that is not finished");
  await shot(page, "unfinished");
  const sent = [];
  page.on("request", (request) => {
    if (PART.test(request.url())) sent.push(request.url());
  });
  await put(page, path);
  // It goes on wherever one goes.
  await page.getByRole("link", { name: "Browse" }).first().click();
  await page.waitForURL("**/browse");
  await page.getByTestId("uploads").waitFor();
  await until(
    "all of it to be there",
    async () => {
      const { items } = await alice.api("/files");
      return items[0]?.state === "completed" && items[0];
    },
    60,
  );
  measured.parts_after_reload = sent.length;
  check(sent.length < 6, `only the rest is sent: ${sent.length} parts`);
  await page.context().unroute(PART);

  await page.goto(new URL("/files", page.url()).href);
  await shows(page, "file", { name: "long-take.bin", state: "completed" });
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    act(page, "long-take.bin", "download"),
  ]);
  check(sha(readFileSync(await download.path())) === sha(bytes), "what comes back is what went out");

  // A picture, by the small way, with its thumbnail and its preview.
  const picture = join(folder, "stripes.jpg");
  writeFileSync(picture, await drawn(page));
  await put(page, picture);
  await shows(page, "file", { name: "stripes.jpg", state: "completed" }, 40);
  await until("the thumbnail", () =>
    row(page, "stripes.jpg").locator('[data-testid="file-face"][data-shown="true"]').isVisible(),
  );
  await clean(page, "the list of files");
  await shot(page, "list");
  await row(page, "stripes.jpg").getByTestId("file-open").click();
  await until("the whole picture", () =>
    page
      .getByTestId("preview-picture")
      .evaluate((element) => element.complete && element.naturalWidth === 1200)
      .catch(() => false),
  );
  await clean(page, "the preview", '[role="dialog"]');
  await shot(page, "preview");
  await page.keyboard.press("Escape");

  // Dropped anywhere on the page.
  const carried = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["said and done\n"], "dropped.txt", { type: "text/plain" }));
    return transfer;
  });
  await page.dispatchEvent("body", "dragenter", { dataTransfer: carried });
  await page.getByTestId("drop-zone").waitFor();
  await shot(page, "drop");
  await page.dispatchEvent("body", "drop", { dataTransfer: carried });
  await page.getByTestId("drop-zone").waitFor({ state: "detached" });
  await shows(page, "file", { name: "dropped.txt", state: "completed" }, 40);

  // A range by shift and arrows, and none by Escape.
  await page.getByTestId("pick").first().focus();
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("Shift+ArrowDown");
  await shows(page, "bulk", { count: 3 });
  await clean(page, "the list with some that are chosen");
  await shot(page, "chosen");
  await page.keyboard.press("Escape");
  await page.getByTestId("bulk").waitFor({ state: "detached" });

  // Its name and for whom it is, by keyboard; then whoever has the link gets it.
  await row(page, "stripes.jpg").getByTestId("file-open").focus();
  await page.keyboard.press("F2");
  await page.getByTestId("file-name").fill("test card.jpg");
  await page.getByTestId("file-tags").fill("Card, colours");
  await page.getByTestId("file-visibility").selectOption("unlisted");
  await clean(page, "the dialog of a file", '[role="dialog"]');
  await page.getByTestId("file-save").click();
  await row(page, "test card.jpg").waitFor();
  const card = (await alice.api("/files?q=card")).items[0];
  check(card.tags.join() === "card,colours", `it has its tags: ${card.tags}`);
  const stranger = await visitor("/");
  const answer = await stranger.request.get(new URL(card.url, page.url()).href);
  check(
    answer.ok() && /^image\//.test(answer.headers()["content-type"]),
    `a stranger gets it: ${answer.status()}`,
  );

  // Moved to a folder of its own.
  await act(page, "test card.jpg", "move");
  await page.getByTestId("move-fresh").fill("cards");
  await clean(page, "the dialog of moving", '[role="dialog"]');
  await page.getByTestId("move-here").click();
  await page.getByTestId("folder-open").click();
  await row(page, "test card.jpg").waitFor();
  check(
    (await page.getByTestId("crumbs").getAttribute("data-path")) === "/cards/",
    "the address says where one is",
  );

  // Thrown away and had back, with keys.
  await row(page, "test card.jpg").getByTestId("pick").focus();
  await page.keyboard.press("Space");
  await shows(page, "bulk", { count: 1 });
  await page.getByTestId("bulk-trash").click();
  await page.getByTestId("trash-confirm").click();
  await row(page, "test card.jpg").waitFor({ state: "detached" });
  await page.getByTestId("trash-open").click();
  await row(page, "test card.jpg").waitFor();
  await clean(page, "the trash");
  await shot(page, "trash");
  await act(page, "test card.jpg", "restore");
  await row(page, "test card.jpg").waitFor({ state: "detached" });
  await until("it to be back", async () => (await alice.api("/files?path=/cards/")).items.length === 1);

  // On a phone, in the dark.
  const phone = await alice.page("/files", { phone: true, dark: true });
  await row(phone, "long-take.bin").waitFor();
  await clean(phone, "the list on a phone");
  await shot(phone, "phone");
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  check(!wide, "nothing is wider than the phone");
  await phone.getByTestId("folder-open").click();
  await row(phone, "test card.jpg").getByTestId("row-menu").click();
  await phone.getByTestId("act-trash").waitFor();
  await shot(phone, "phone-menu");
});
rmSync(folder, { recursive: true, force: true });
