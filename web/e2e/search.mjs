// The search in a browser: from the keyboard to a channel, a page of everything that fits, what was looked for before, and that nobody finds
// what is not for them; on a phone, and without a line.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, visitor } from "./stage.mjs";

const TITLE = "Đêm nhạc Đà Nẵng";

const field = (page) => page.getByTestId("search");
const option = (page, kind) => page.locator(`[data-testid="search-option"][data-kind="${kind}"]`);
const focused = (page) => page.evaluate(() => document.activeElement?.dataset.testid ?? null);
const at = (page, pathname, q) =>
  page.waitForURL((url) => url.pathname === pathname && (q === undefined || url.searchParams.get("q") === q));

await play("search", async () => {
  const linh = await member("linh_makes");
  await linh.api("/me", { method: "PATCH", body: { display_name: "Linh Trần", bio: "Hàn mạch mỗi tối" } });
  await linh.api("/me/stream", { method: "PATCH", body: { title: TITLE } });
  const encoder = await linh.publish({ size: "640x360" });
  const { id } = await linh.onAir();
  // What was just made is there to be found at once.
  const told = Date.now();
  const ask = async (q, token) => (await linh.api(`/search?q=${encodeURIComponent(q)}`, { token })).vods;
  await until("the recording to be found", async () => (await ask("da nang")).length === 1);
  measured.indexed_ms = Date.now() - told;

  // From anywhere, by keyboard alone.
  const page = await visitor("/");
  await page.getByTestId("stream-card").first().waitFor();
  await page.keyboard.press("/");
  check((await focused(page)) === "search", "a slash leads to the field");
  await page.keyboard.type("linh tr");
  await option(page, "channel").waitFor();
  await clean(page, "what stands below the field", "header");
  await shot(page, "suggestions");
  const count = await page.getByTestId("search-option").count();
  for (let press = 0; press < count; press += 1) {
    await page.keyboard.press("ArrowDown");
    const kind = await page.evaluate(() => {
      const chosen = document.activeElement.getAttribute("aria-activedescendant");
      return document.getElementById(chosen)?.dataset.kind;
    });
    if (kind === "channel") break;
  }
  await page.keyboard.press("Enter");
  await at(page, "/c/linh_makes");

  // Escape closes, and keeps what is typed; Enter alone asks for everything.
  await page.keyboard.press("Control+k");
  check((await focused(page)) === "search", "and so does Ctrl-K");
  await field(page).fill("da nang");
  await option(page, "vod").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("search-popup").waitFor({ state: "detached" });
  check((await field(page).inputValue()) === "da nang", "what was typed stays");
  await page.keyboard.press("Enter");
  await at(page, "/search", "da nang");
  await page.getByTestId("vod-card").first().waitFor();
  check((await page.getByTestId("vod-card").count()) === 1, "one recording fits, however it is typed");
  await clean(page, "the page of results");
  await shot(page, "results");
  await page.getByTestId("search-tab-channel").click();
  await page.getByText(/Nothing found/).waitFor();
  await page.getByTestId("search-tab-category").click();
  await field(page).fill("mus");
  await page.keyboard.press("Enter");
  await at(page, "/search", "mus");
  await page.locator('[data-testid="category-hit"][data-slug="music"]').waitFor();
  check((await page.getByTestId("search-tab-file").count()) === 0, "visitors have no files");

  // What was looked for stands there again, the newest first, until it is forgotten.
  await page.reload();
  await field(page).fill("");
  const before = option(page, "recent");
  await before.first().waitFor();
  check(
    (await before.allTextContents())
      .map((text) => text.slice(0, 7))
      .join()
      .startsWith("mus"),
    "the newest is the first",
  );
  check((await before.count()) === 2, "each question stands there once");
  await before.nth(1).click();
  await at(page, "/search", "da nang");
  await field(page).fill("");
  await page.getByTestId("search-forget").click();
  await page.getByTestId("search-popup").waitFor({ state: "detached" });

  // Whom it is not for does not find it, and its owner does.
  const { items } = await linh.api("/vods?channel=linh_makes");
  await linh.api(`/vods/${items[0].id}`, { method: "PATCH", body: { visibility: "private" } });
  await page.goto(page.url());
  await page.getByText(/Nothing found/).waitFor();
  await clean(page, "a page without results");
  await shot(page, "nothing");
  const own = await linh.page("/search?q=da+nang", { phone: true });
  await own.getByTestId("vod-card").first().waitFor();
  await own.getByTestId("search-tab-file").waitFor();
  await clean(own, "the results on a phone");
  await shot(own, "phone");
  await field(own).click();
  await option(own, "vod").waitFor();
  await shot(own, "phone-suggestions");
  const wide = await own.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  check(!wide, "nothing is wider than the phone");

  // Without a line it says so, and goes on by itself.
  await page.context().setOffline(true);
  await page.getByTestId("search-tab-channel").click();
  await field(page).fill("linh");
  await page.keyboard.press("Enter");
  await page.getByTestId("search-offline").waitFor();
  await shot(page, "offline");
  await page.context().setOffline(false);
  await page.locator('[data-testid="channel-hit"][data-username="linh_makes"]').waitFor();
  measured.stream = id;
  await encoder.stop();
});
