// What people write stays words: names, titles, descriptions, lines of chat and links that would be markup, scripts or disguises,
// on every page they come to, in link previews and in feeds.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { api, check, site, until } from "./people.mjs";
import { measured, member, play, shot, visitor } from "./stage.mjs";

const HIT = "hit=1";
const NAME = `<img src=x onerror=${HIT}>`;
const TITLE = `"><svg onload="${HIT}"></title><script>${HIT}</script> {{7*7}}`;
const DESCRIPTION = `</script><script>${HIT}</script> [a](javascript:${HIT}) <iframe srcdoc="<script>${HIT}</script>">`;
const LINES = [
  `<script>${HIT}</script>`,
  `<img src=x onerror="${HIT}">`,
  `[look](javascript:${HIT}) javascript:${HIT} data:text/html,<script>${HIT}</script>`,
  `https://else.test/"onmouseover="${HIT} https://else.test/<script>${HIT}</script>`,
  "**bold** `code` <b>bold</b> &lt;b&gt; :not_an_emote: :<b>:",
];
/** Zero-width, joined from right to left, and heaped with marks: not what a reader is shown. */
const DISGUISED =
  "he\u200bl\u2060lo\u202e dlrow\u202c Z\u0353\u0321\u0324\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030aal";

/** Everything a script would have left behind, and everything of ours that came from what people wrote. */
const traces = (page) =>
  page.evaluate(() => ({
    hit: Number(window.hit ?? 0),
    strange: [
      ...document.querySelectorAll("img[src='x'], svg[onload], iframe[srcdoc], [onerror], [onmouseover]"),
    ].length,
    links: [...document.querySelectorAll("a[href]")]
      .map((link) => ({ scheme: link.protocol, host: link.host, rel: link.rel, target: link.target }))
      .filter(({ host }) => host !== window.location.host),
  }));

async function harmless(page, what) {
  const { hit, strange, links } = await traces(page);
  check(hit === 0, `no script of strangers runs on ${what}`);
  check(strange === 0, `no markup of strangers stands on ${what}`);
  for (const { scheme, rel, target } of links) {
    check(/^https?:$/.test(scheme), `links on ${what} lead to pages, not to ${scheme}`);
    check(
      /noopener|noreferrer/.test(rel) || target === "",
      `what is opened from ${what} does not hold on to it`,
    );
  }
  return links.length;
}

await play("words", async () => {
  const mallory = await member("mallory");
  await mallory.api("/me", { method: "PATCH", body: { display_name: NAME, bio: DESCRIPTION } });
  await mallory.api("/me/stream", { method: "PATCH", body: { title: TITLE, description: DESCRIPTION } });
  const encoder = await mallory.publish({ size: "640x360" });
  await mallory.onAir();

  const desk = await mallory.page("/c/mallory");
  const watcher = await visitor("/c/mallory");
  const field = desk.getByTestId("chat-input");
  for (const [number, text] of [
    ...LINES,
    DISGUISED,
    Array.from({ length: 60 }, (_, n) => `@mallory${n}`)
      .join(" ")
      .slice(0, 500),
  ].entries()) {
    await field.fill(text);
    await field.press("Enter");
    await until(`line ${number}`, async () => (await watcher.getByTestId("chat-message").count()) > number);
    // Five in three seconds may be said.
    if (number === 3) await new Promise((resolve) => setTimeout(resolve, 3_000));
  }
  const lines = await watcher.getByTestId("chat-message").allTextContents();
  for (const text of LINES.slice(0, 4))
    check(
      lines.some((line) => line.includes(text)),
      `${text} stands there as it was written`,
    );
  const seen = lines.at(-2);
  check(!/[\u200b\u2060\u202a-\u202e\u2066-\u2069]/.test(seen), `nothing invisible is left in "${seen}"`);
  check(!/\p{Mn}{4}/u.test(seen.normalize("NFD")), `no heap of marks is left in "${seen}"`);
  await shot(watcher, "channel");
  measured.links = await harmless(watcher, "the channel's page");

  for (const path of ["/", "/browse", "/popout/mallory/chat"]) {
    await watcher.goto(new URL(path, site).href);
    await watcher.waitForLoadState("load");
    await harmless(watcher, path);
  }
  await watcher.goto(new URL("/", site).href);
  await watcher.getByText(NAME).or(watcher.getByText("mallory")).first().waitFor();
  await harmless(watcher, "the front page");
  await shot(watcher, "front");

  // What is written into pages by the server, for link previews.
  const page = await fetch(`${site}/c/mallory`);
  const policy = page.headers.get("content-security-policy") ?? "";
  const scripts = policy.split(";").find((part) => part.trim().startsWith("script-src")) ?? "";
  check(
    scripts !== "" && !/unsafe-inline|unsafe-eval|\*|data:/.test(scripts),
    `scripts come from us alone: ${policy}`,
  );
  const head = await page.text();
  check(
    head.includes("og:title") && !head.includes(HIT.concat("</script>")) && !head.includes("<svg"),
    "previews are escaped",
  );
  const told = await watcher.evaluate(async () => {
    const parsed = async (path, type) =>
      new DOMParser().parseFromString(await (await fetch(path)).text(), type);
    const feed = await parsed("/c/mallory/feed.xml", "application/xml");
    const json = await (await fetch("/c/mallory/feed.json")).json();
    return { broken: feed.querySelectorAll("parsererror, script, svg, iframe").length, title: json.title };
  });
  check(
    told.broken === 0 && typeof told.title === "string",
    `feeds are what they say: ${JSON.stringify(told)}`,
  );

  // Not a script of ours, not a script of theirs: the page refuses what a hole would let in.
  const bare = await (await watcher.context().browser().newContext()).newPage();
  await bare.goto(new URL("/c/mallory", site).href);
  const ran = await bare.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.head.append(script);
    const image = document.createElement("img");
    image.setAttribute("onerror", "window.ran = true");
    image.src = "data:image/png;base64,";
    document.body.append(image);
    return new Promise((resolve) => setTimeout(() => resolve(Boolean(window.ran)), 300));
  });
  check(!ran, "what a hole would let in does not run");
  const { items } = await api("/streams");
  check(
    items.some(({ title }) => title === TITLE),
    "and nothing of it was lost",
  );
  await encoder.stop();
});
