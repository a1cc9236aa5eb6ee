// Three members who know each other, one of them with two tabs: friends, a conversation of two and a group, what is typed, said,
// answered, changed and struck in them, what waits unread, who is there, what is found again, and a block.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site; nothing is broadcast.
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows, visitor } from "./stage.mjs";

/** A message nobody has read becomes a notification after half a minute. */
const NOTICE_WAIT_S = 75;
const AWAY_WAIT_MS = 5_000;

const said = (page, text) => page.getByTestId("room-message").filter({ hasText: text });
const room = (page, name) => page.locator(`[data-testid="room"][data-name="${name}"]`);
const friend = (page, name) => page.locator(`[data-testid="friend"][data-username="${name}"]`);
const bond = (page, state) => shows(page, "bond", { state });
const status = (page, text) => page.getByTestId("room-status").filter({ hasText: text }).waitFor();
/** The dot beside "Messages". */
const mark = (page) => page.getByRole("link", { name: /^Messages/ }).getByTestId("rail-mark");
const gone = (element) => element.waitFor({ state: "detached" });

async function say(page, text) {
  const input = page.getByTestId("room-input");
  await input.fill(text);
  await input.press("Enter");
  await said(page, text).last().waitFor();
}

/** One of the things that can be done to a message; they show with the pointer on it. */
async function tool(message, id) {
  await message.hover();
  await message.getByTestId(id).click();
}

/** Whether the page shows somebody as there: "true", "false" or "unknown". */
const there = (element, is) => element.locator(`[data-testid="presence"][data-online="${is}"]`).waitFor();

async function notices(page, text) {
  await page.getByTestId("bell").click();
  await page.getByTestId("bell-panel").waitFor();
  return page.getByTestId("bell-panel").getByTestId("notification").filter({ hasText: text });
}

await play("rooms", async () => {
  const [alice, bob, carol] = await Promise.all(["alice", "bob", "carol"].map(member));
  const first = await alice.page("/friends");
  const second = await first.context().newPage();
  await second.goto(new URL("/", first.url()).href);
  await second.getByTestId("bell").waitFor();
  const his = await bob.page("/c/alice");
  const hers = await carol.page("/c/alice");

  // Asked on a page, answered in the list of one and on the page of the other; the bell tells in both tabs.
  await his.getByTestId("friend-ask").click();
  await bond(his, "outgoing");
  await second.getByTestId("bell-count").waitFor();
  await friend(first, "bob").getByTestId("accept").click();
  await first.getByTestId("friends-accepted").getByText("@bob").waitFor();
  await bond(his, "accepted");
  await there(friend(first, "bob"), true);
  await hers.getByTestId("friend-ask").click();
  await friend(first, "carol").getByTestId("accept").click();
  await bond(hers, "accepted");
  await clean(first, "the list of friends");
  await shot(first, "friends");

  // The first word waits unread in the list of one tab and as a mark in the other; read in one, both know.
  await first.goto(new URL("/messages", first.url()).href);
  await his.getByTestId("message").click();
  await his.getByTestId("nothing-said").waitFor();
  await say(his, "hello alice");
  await shows(first, "room", { name: "bob", unread: 1 });
  await mark(second).waitFor();
  await clean(first, "the list of rooms");
  await shot(first, "unread");
  await room(first, "bob").click();
  await said(first, "hello alice").waitFor();
  await gone(mark(second));
  await shows(first, "room", { name: "bob", unread: 0 });
  await status(his, "Seen");

  // Typing is seen, what is said is in both tabs at once.
  await second.goto(first.url());
  await said(second, "hello alice").waitFor();
  await first.getByTestId("room-input").pressSequentially("good eve");
  await status(his, "alice is typing");
  await shot(his, "typing");
  await say(first, "good evening bob");
  await said(second, "good evening bob").waitFor();
  await said(his, "good evening bob").waitFor();
  await until(
    "nobody to type any more",
    async () => !/typing/.test(await his.getByTestId("room-status").textContent()),
  );
  await say(his, "the kiln is hot tonight");
  for (const tab of [first, second]) await said(tab, "the kiln is hot tonight").waitFor();

  // A reaction, an answer, a change, a message struck: each as the others see it.
  await tool(said(his, "good evening bob"), "room-react");
  await his.getByTestId("chat-picker").getByRole("button", { name: "👍" }).click();
  for (const tab of [first, second, his])
    await said(tab, "good evening bob").getByTestId("room-reaction").filter({ hasText: "1" }).waitFor();
  await tool(said(first, "the kiln is hot tonight"), "room-answer");
  await first.getByTestId("room-target").waitFor();
  await say(first, "how hot");
  const answer = said(his, "how hot");
  await answer.getByText("the kiln is hot tonight").waitFor();
  await tool(said(his, "hello alice"), "room-edit");
  await his.getByTestId("room-target").waitFor();
  await his.getByTestId("room-input").fill("hello dear alice");
  await his.getByTestId("room-input").press("Enter");
  for (const tab of [first, second, his]) await said(tab, "hello dear alice").getByText("edited").waitFor();
  await say(his, "said too much");
  await said(second, "said too much").waitFor();
  await tool(said(his, "said too much"), "room-delete");
  for (const tab of [first, second, his]) await gone(said(tab, "said too much"));
  await clean(first, "a conversation", "[data-testid=conversation]");
  await shot(first, "conversation");

  // A group is made and filled; those who are asked come.
  await first.getByTestId("new").click();
  await first.getByTestId("new-group-name").fill("Potters");
  await clean(first, "a new conversation", "[data-testid=new-room]");
  await first.getByTestId("new-group").click();
  await first.getByTestId("room-group").click();
  const dialog = first.getByTestId("group-dialog");
  for (const name of ["bob", "carol"])
    await dialog.locator(`[data-username="${name}"]`).getByTestId("invite").click();
  await until("both to be asked", async () => (await dialog.getByTestId("withdraw-invite").count()) === 2);
  await clean(first, "the group's dialog", "[data-testid=group-dialog]");
  await shot(first, "group");
  await first.keyboard.press("Escape");
  await gone(dialog);
  for (const page of [his, hers]) {
    await mark(page).waitFor();
    await page.getByRole("link", { name: /^Messages/ }).click();
    await page.getByTestId("invitations").getByText("Potters").waitFor();
    await page.getByTestId("join").click();
    await page.getByTestId("room-input").waitFor();
    await gone(page.getByTestId("invitations"));
  }
  await first.getByTestId("room-note").filter({ hasText: "3 members" }).waitFor();
  await say(first, "welcome to the workshop");
  for (const page of [his, hers]) await said(page, "welcome to the workshop").waitFor();

  // Nobody of one's own is looking: what is said in two rooms is one line for each in the list of notifications.
  for (const tab of [first, second]) await tab.goto(new URL("/friends", tab.url()).href);
  await say(hers, "I bring the blue glaze");
  await say(his, "and I bring the clay");
  await say(hers, "and cake");
  await room(his, "alice").click();
  await say(his, "a word between us");
  await say(his, "and another one");
  await mark(first).waitFor();

  // Somebody leaves: their last page closes, and a moment later they are away.
  await there(friend(first, "carol"), true);
  const left = Date.now();
  await hers.close();
  await there(friend(first, "carol"), false);
  measured.away_ms = Date.now() - left;
  check(measured.away_ms <= AWAY_WAIT_MS, `who has left is away within 5 s: ${measured.away_ms} ms`);
  await friend(first, "carol").getByText("Last seen").waitFor();
  await shot(first, "away");
  const again = await visitor("/signin?next=%2Fmessages");
  await again.getByTestId("login").fill("carol");
  await again.getByTestId("password").fill(carol.password);
  await again.getByTestId("submit").click();
  await room(again, "Potters").click();
  await said(again, "and cake").waitFor();
  await there(friend(first, "carol"), true);

  // One line for each room, although more was said; opened in one tab, it is read in the other.
  const inGroup = await notices(first, "Potters");
  await inGroup.filter({ hasText: "wrote" }).waitFor({ timeout: NOTICE_WAIT_S * 1_000 });
  const between = first
    .getByTestId("bell-panel")
    .getByTestId("notification")
    .filter({ hasText: "bob wrote to you" });
  await until("the line of the other room", async () => (await between.count()) === 1, NOTICE_WAIT_S);
  check((await inGroup.filter({ hasText: "wrote" }).count()) === 1, "one line for the group");
  await clean(first, "the bell", "[data-testid=bell-panel]");
  await shot(first, "bell");
  const unread = async (page) => Number((await page.getByTestId("bell-count").textContent()) ?? 0);
  const before = await unread(second);
  await inGroup.filter({ hasText: "wrote" }).click();
  await said(first, "I bring the blue glaze").waitFor();
  await until("the bell of the other tab", async () => (await unread(second)) < before);
  await shows(first, "room", { name: "Potters", unread: 0 });

  // Found again, whatever the case; what was found leads to its place.
  await first.getByTestId("room-search").fill("KILN");
  await first.getByTestId("hit").filter({ hasText: "the kiln is hot tonight" }).waitFor();
  await clean(first, "what was found", "[data-testid=found]");
  await shot(first, "found");
  await first.getByTestId("hit").filter({ hasText: "the kiln is hot tonight" }).click();
  const sought = first.locator('[data-testid="room-message"][data-sought]');
  await sought.filter({ hasText: "the kiln is hot tonight" }).waitFor();
  check(await sought.evaluate((line) => line === document.activeElement), "what was sought has the focus");
  await first.getByTestId("room-search").fill("submarine");
  await first.getByTestId("found").getByText("Nothing found").waitFor();
  await first.getByTestId("room-search").press("Escape");
  await room(first, "Potters").waitFor();

  // A block: neither sees of the other whether they are there, and nothing more is said between them.
  await there(his.getByTestId("conversation"), true);
  await second.goto(new URL("/c/bob", second.url()).href);
  await second.getByTestId("bond-menu").click();
  await second.getByTestId("block").click();
  await second.getByTestId("block-confirm").click();
  await bond(second, "blocked");
  for (const page of [first, his]) {
    await page.getByTestId("room-refused").waitFor();
    await there(page.getByTestId("conversation"), "unknown");
  }
  await clean(his, "a closed conversation", "[data-testid=conversation]");
  await shot(his, "blocked");
  await his.goto(new URL("/friends", his.url()).href);
  await his.getByTestId("friends-accepted").waitFor();
  check((await friend(his, "alice").count()) === 0, "who was blocked has a friend less");
  await second.goto(new URL("/friends", second.url()).href);
  await second.getByTestId("friends-blocked").getByText("@bob").waitFor();
});
