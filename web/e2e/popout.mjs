// The chat in a window of its own: opened from the channel's page, which puts its own away meanwhile; spoken in, brought back; and
// laid over a picture.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site; nothing is broadcast.
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows, visitor } from "./stage.mjs";

const joined = (page) => shows(page, "chat", { joined: true });
const line = (page, text) => page.getByTestId("chat-message").filter({ hasText: text }).last();
async function say(page, text) {
  await page.getByTestId("chat-input").fill(text);
  await page.getByTestId("chat-input").press("Enter");
}

await play("popout", async () => {
  const [host, guest] = await Promise.all(["host", "guest"].map(member));
  const page = await guest.page("/c/host");
  await joined(page);

  const opening = page.waitForEvent("popup");
  await page.getByTestId("chat-popout").click();
  const alone = await opening;
  await joined(alone);
  check(new URL(alone.url()).pathname === "/popout/host/chat", `the window is the chat's: ${alone.url()}`);
  await until("the window's title", async () => /host: chat/.test(await alone.title()));
  check((await alone.locator("header").count()) === 1, "nothing of the site stands around it");
  await page.getByTestId("chat-away").waitFor();
  check((await page.getByTestId("chat").count()) === 0, "the page has put its chat away");
  await clean(page, "the page without its chat", "[data-testid=chat-away]");
  await shot(page, "away");

  // Both windows of one member: what is said in one is heard everywhere.
  const owner = await host.page("/popout/host/chat", { viewport: { width: 400, height: 720 } });
  await joined(owner);
  await say(alone, "hello from a window");
  await line(owner, "hello from a window").waitFor();
  // The answer quotes it: the first that says so.
  const words = owner.getByTestId("chat-message").filter({ hasText: "hello from a window" }).first();
  await words.hover();
  await words.getByTestId("chat-reply").click();
  await say(owner, "hello window");
  await line(alone, "hello window").getByTestId("chat-answered").waitFor();
  await clean(owner, "the window");

  // Who said it; a link from there opens beside the chat.
  await words.getByTestId("chat-author").click();
  const card = owner.getByTestId("user-card");
  await card.getByTestId("user-card-channel").waitFor();
  check(
    (await card.getByTestId("user-card-channel").getAttribute("target")) === "_blank",
    "the chat's window stays the chat's",
  );
  await clean(owner, "the card", "[data-testid=user-card]");
  await shot(owner, "card");
  await owner.keyboard.press("Escape");
  await card.waitFor({ state: "detached" });

  // Out of a thread too: the card over it, not another page in this window.
  await line(owner, "hello window").getByTestId("chat-answered").click();
  await owner.getByTestId("chat-thread").getByTestId("chat-author").first().click();
  await card.getByTestId("user-card-channel").waitFor();
  check(
    (await card.getByTestId("user-card-channel").getAttribute("target")) === "_blank",
    "a thread does not lead the chat's window away",
  );
  await clean(owner, "the card over a thread", "[data-testid=user-card]");
  await shot(owner, "thread-card");
  await owner.keyboard.press("Escape");
  await card.waitFor({ state: "detached" });
  check(await owner.getByTestId("chat-thread").isVisible(), "the thread stays when its card is closed");
  await owner.keyboard.press("Escape");
  await owner.getByTestId("chat-thread").waitFor({ state: "detached" });
  await words.getByTestId("chat-author").click();
  await card.getByTestId("user-card-report").click();
  await owner.getByTestId("report-dialog").waitFor();
  await owner.keyboard.press("Escape");
  await owner.getByTestId("report-dialog").waitFor({ state: "detached" });

  // The same window again, not another one; closed, the page has its chat back, with what was said.
  await page.getByTestId("chat-away-show").click();
  check(page.context().pages().length === 2, "there is one window");
  await page.getByTestId("chat-away-back").click();
  await until("the window to be gone", () => alone.isClosed());
  await joined(page);
  await line(page, "hello window").waitFor();

  // Over a picture: no ground, no composer, as large as asked for.
  const over = await visitor("/popout/host/chat?transparent=1&font=40", { colorScheme: "light" });
  await line(over, "hello from a window").waitFor();
  const look = await over.evaluate(() => {
    const style = (element) => getComputedStyle(element);
    const said = document.querySelector("[data-testid=chat-message]");
    return {
      grounds: [document.documentElement, document.body].map((element) => style(element).backgroundColor),
      scheme: style(document.documentElement).colorScheme,
      font: style(said).fontSize,
      parts: document.querySelectorAll("textarea, header, button").length,
    };
  });
  measured.overlay = look;
  check(
    look.grounds.every((ground) => ground === "rgba(0, 0, 0, 0)"),
    "an overlay has no ground",
  );
  check(look.font === "40px" && /light/.test(look.scheme), "an overlay looks as asked for");
  check(look.parts <= 1, "an overlay has nothing to click");
  await shot(over, "overlay", { omitBackground: true });

  // Nobody's chat.
  const nobody = await visitor("/popout/nobody_here/chat");
  await nobody.getByText("404").waitFor();
});
