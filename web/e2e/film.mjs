// A film of 200 MB that loses the line and then the page on its way, is scanned and plays; and a file with a virus, which nobody gets.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site with a scanner that knows the file of EICAR; RILLCAST_FILM a film.
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, until } from "./people.mjs";
import { clean, measured, member, play, plays, shot, shows, visitor } from "./stage.mjs";

const PART = /chunked-upload\/[^/]+\/parts\//;
const film = process.env.RILLCAST_FILM;
const { size } = statSync(film);
const name = film.split("/").at(-1);
const folder = mkdtempSync(join(tmpdir(), "rillcast-film-"));
// In two parts, so that no scanner takes this script for it.
const EICAR = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].join("");

const row = (page, named) => page.locator(`[data-testid="file"][data-name="${named}"]`);
const upload = (page, named) => page.locator(`[data-testid="upload"][data-name="${named}"]`);
const put = (page, path) => page.getByTestId("upload-input").setInputFiles(path);
const percent = async (element) => Number(await element.getAttribute("data-percent"));

/** Keeps what a row says of itself from now on; what it shows for a moment only, too. */
const keepStates = (page) =>
  page.evaluate(() => {
    window.states = new Set();
    new MutationObserver(() => {
      for (const { dataset } of document.querySelectorAll('[data-testid="file"],[data-testid="upload-fate"]'))
        window.states.add(dataset.state);
    }).observe(document, { subtree: true, childList: true, attributes: true });
  });

await play("film", async () => {
  check(size >= 200_000_000, `the film is large enough: ${size}`);
  const alice = await member("alice");
  const page = await alice.page("/files");
  page.on("dialog", (dialog) => void dialog.accept());

  // Slow enough to be cut off in the middle.
  await page.context().route(PART, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 250));
    await route.continue().catch(() => undefined);
  });
  await put(page, film);
  await until("a quarter to be there", async () => (await percent(upload(page, name))) >= 25, 60);
  await page.context().setOffline(true);
  await shows(page, "upload", { phase: "offline" }, 40);
  await shot(page, "cut-off");
  await page.context().setOffline(false);
  await shows(page, "upload", { phase: "sending" }, 40);
  await until("half of it to be there", async () => (await percent(upload(page, name))) >= 50, 60);

  await page.reload();
  const left = page.locator(`[data-testid="unfinished-file"][data-name="${name}"]`);
  await left.waitFor();
  measured.there_after_reload_percent = await percent(left);
  check(
    measured.there_after_reload_percent >= 40,
    `half of it is still there: ${measured.there_after_reload_percent}`,
  );
  await page.context().unroute(PART);
  const sent = new Set();
  page.on("request", (request) => {
    if (PART.test(request.url())) sent.add(request.url());
  });
  await keepStates(page);
  await put(page, film);
  await shows(page, "file", { name, state: "completed" }, 90);
  measured.parts_after_reload = sent.size;
  measured.parts = Math.ceil(size / (5 << 20));
  check(sent.size < measured.parts * 0.65, `only the rest is sent: ${sent.size} of ${measured.parts}`);
  const states = await page.evaluate(() => [...window.states]);
  check(
    states.some((state) => state === "queued" || state === "processing"),
    `the page said what was being done: ${states}`,
  );
  await shot(page, "scanned");

  // What it became plays, from its own row.
  await row(page, name).getByTestId("file-open").click();
  await page.locator('[role="dialog"] a[href^="/v/"]').click();
  await page.waitForURL("**/v/*");
  measured.first_picture_ms = await plays(page, "the film", { seconds: 60 });
  await shot(page, "plays");

  // A virus, by another name and of another kind.
  const bill = join(folder, "bill.txt");
  writeFileSync(bill, EICAR);
  await page.goto(new URL("/files", page.url()).href);
  await row(page, name).waitFor();
  await put(page, bill);
  await shows(page, "file", { name: "bill.txt", state: "virus_failed" }, 60);
  await clean(page, "the list with a file that was refused");
  await shot(page, "virus");
  const { items } = await alice.api("/files");
  const infected = items.find((file) => file.name === "bill.txt");
  check(
    !infected.url && !infected.thumbnail_url,
    `nothing of it has an address: ${JSON.stringify(infected)}`,
  );
  const stranger = await visitor("/");
  const entered = await fetch(new URL("/api/v1/auth/login", page.url()), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ login: alice.username, password: alice.password }),
  });
  const { access_token: token } = await entered.json();
  for (const headers of [{ authorization: `Bearer ${token}` }, {}]) {
    const url = new URL(`/api/v1/files/${infected.id}/content`, page.url()).href;
    const answer = await stranger.request.get(url, { headers });
    check(answer.status() === 404, `it is not served: ${answer.status()}`);
  }
  const again = join(folder, "not a bill.txt");
  writeFileSync(again, EICAR);
  await put(page, again);
  await shows(page, "file", { name: "not a bill.txt", state: "virus_failed" }, 60);
  const told = await until("both to be told", async () => {
    const found = (await alice.api("/notifications")).items.filter(({ type }) => type === "file_failed");
    return found.length === 2 && found;
  });
  measured.told = told.map(({ message }) => message);
});
rmSync(folder, { recursive: true, force: true });
