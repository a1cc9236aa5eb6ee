// Every page, in both themes and on both kinds of screen, without a finding of axe; and the keyboard's ways around.
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { base, byId, newPerson, type Person, signUp } from "./browser";

const screens = [
  ["desktop", { width: 1280, height: 800 }],
  ["phone", { width: 390, height: 844 }],
] as const;

/** What axe finds on a page, and whether it has to be scrolled sideways, once what `open` does to it is done. */
async function findings(
  person: Person,
  path: string,
  theme: string,
  open?: (page: Page) => Promise<void>,
): Promise<string[]> {
  const { page } = person;
  await page.addInitScript((value) => localStorage.setItem("rillcast.theme", value), theme);
  await page.goto(base + path);
  await page.locator("h1").first().waitFor({ state: "attached" });
  await page.waitForLoadState("networkidle", { timeout: 1_500 }).catch(() => undefined);
  await open?.(page);
  const { violations } = await new AxeBuilder({ page })
    // The guards at a popup's edges hand the focus on at once; nobody ever rests on them.
    .exclude("[data-base-ui-focus-guard]")
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const found = violations.map(
    ({ id, nodes }) => `${path} ${theme}: ${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
  );
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) found.push(`${path} ${theme}: is ${wide} pixels wider than the screen`);
  return found;
}

/** A dialog is judged once it stands: half transparent it has no contrast. */
async function settled(page: Page): Promise<void> {
  await page.getByRole("dialog").waitFor();
  await page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== "running"));
}

describe.each(screens)("on a %s", (_, viewport) => {
  let visitor: Person;
  let member: Person;
  let username: string;
  beforeAll(async () => {
    visitor = await newPerson({ viewport });
    member = await newPerson({ viewport });
    username = await signUp(member.page, "axe");
  });
  afterAll(async () => {
    await visitor?.close();
    await member?.close();
  });

  it.each(["dark", "light"])("a visitor's pages are clean (%s)", async (theme) => {
    const found: string[] = [];
    const pages = [
      "/",
      "/browse?q=music",
      "/search",
      "/search?q=music",
      "/signin",
      "/signup",
      "/plans",
      "/forgot",
      "/reset?token=x",
      `/c/${username}`,
      `/embed/c/${username}`,
      `/popout/${username}/chat`,
      `/popout/${username}/chat?transparent=1&font=30`,
      "/nowhere",
      "/403",
      "/500",
    ];
    for (const path of pages) found.push(...(await findings(visitor, path, theme)));
    expect(found).toEqual([]);
    expect(visitor.errors).toEqual([]);
  });

  it.each(["dark", "light"])("a member's pages are clean (%s)", async (theme) => {
    const found: string[] = [];
    const recordings = await (await fetch(`${base}/api/v1/vods?limit=1`)).json();
    const pages = [
      "/",
      "/studio",
      "/studio/emotes",
      "/studio/webhooks",
      "/studio/analytics",
      "/studio/analytics?from=2026-02-01&to=2026-02-07&compare=false",
      // Of the mock; elsewhere one that is gone.
      "/studio/analytics/latest",
      "/settings",
      "/notifications",
      "/messages",
      "/friends",
      "/files",
      "/files?trash=true",
      "/plans",
      // Of the mock; elsewhere none.
      "/payments/latest",
      "/admin/categories",
      "/admin/members",
      "/admin/reports",
      "/admin/audit",
      "/admin/payments",
      `/c/${username}`,
      `/popout/${username}/chat`,
      `/popout/${username}/chat?transparent=1&font=30`,
      `/mod/${username}`,
    ];
    for (const vod of recordings.items) pages.push(`/v/${vod.id}`, `/embed/v/${vod.id}`);
    const live = await (await fetch(`${base}/api/v1/streams?live=true&limit=1`)).json();
    for (const stream of live.items) pages.push(`/c/${stream.channel.username}`);
    for (const path of pages) found.push(...(await findings(member, path, theme)));
    expect(found).toEqual([]);
    expect(member.errors).toEqual([]);
  });

  it.each(["dark", "light"])("what opens on a member's pages is clean (%s)", async (theme) => {
    const press = async (page: Page, ...ids: string[]) => {
      for (const id of ids) await byId(page, id).first().click();
    };
    const found = [
      ...(await findings(member, "/studio/webhooks", theme, async (page) => {
        await press(page, "webhook-new", "event-all");
        await byId(page, "event-vod.ready").waitFor();
        await settled(page);
      })),
      ...(await findings(member, "/messages", theme, async (page) => {
        await byId(page, "room-search").fill("the");
        await byId(page, "found").locator('[role="status"]:not(:empty)').waitFor({ state: "attached" });
      })),
      ...(await findings(member, "/studio/analytics", theme, async (page) => {
        await press(page, "table-toggle-peak", "table-toggle-chat");
        await page.locator("table").first().waitFor();
      })),
    ];
    // A member of a new site has none of these.
    const hasData = (await (await fetch(`${base}/api/v1/me/webhooks`)).json()).items?.length > 0;
    if (hasData) {
      found.push(
        ...(await findings(member, "/studio/webhooks", theme, async (page) => {
          await press(page, "webhook-log-open", "delivery");
          await byId(page, "delivery-body").waitFor();
        })),
        ...(await findings(member, "/studio/analytics/latest", theme, async (page) => {
          await press(page, "table-toggle-viewers");
        })),
        ...(await findings(member, "/messages", theme, async (page) => {
          await page.locator('[data-testid="room"][data-name="Thursday stream"]').click();
          await press(page, "room-group");
          await settled(page);
        })),
      );
    }
    expect(found).toEqual([]);
    expect(member.errors).toEqual([]);
  });

  it("open menus and panels are clean", async () => {
    const { page } = member;
    await page.goto(base);
    for (const [opener, panel] of [
      ["bell", "bell-panel"],
      ["user-menu", "lang-vi"],
    ] as const) {
      await byId(page, opener).click();
      await byId(page, panel).waitFor();
      // The guards at a popup's edges hand the focus on at once; nobody ever rests on them.
      const { violations } = await new AxeBuilder({ page }).exclude("[data-base-ui-focus-guard]").analyze();
      expect(
        violations.map(
          (found) =>
            `${opener}: ${found.id}: ${found.nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`,
        ),
      ).toEqual([]);
      await page.keyboard.press("Escape");
      await byId(page, panel).waitFor({ state: "detached" });
    }
  });
});

describe("by keyboard", () => {
  let person: Person;
  beforeAll(async () => {
    person = await newPerson();
  });
  afterAll(() => person?.close());

  it("the first stop skips to the content, and slash leads to the search", async () => {
    const { page } = person;
    await page.goto(base);
    await page.locator("h1").waitFor({ state: "attached" });
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("href"))).toBe("#main");
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("data-testid"))).toBe("search");
  });

  it("what is made, looked for and read on a member's pages needs no mouse", async () => {
    const member = await newPerson();
    const { page } = member;
    await signUp(page, "keys");
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-testid"));
    const press = async (id: string) => {
      await byId(page, id).first().focus();
      await page.keyboard.press("Enter");
    };

    await page.goto(`${base}/studio/webhooks`);
    await byId(page, "webhook-new").waitFor();
    await press("webhook-new");
    await byId(page, "webhook-url").waitFor();
    // The first stop in the dialog is its way out, the next is the form.
    await page.keyboard.press("Tab");
    await expect.poll(focused).toBe("webhook-url");
    await page.keyboard.press("Escape");
    await byId(page, "webhook-url").waitFor({ state: "detached" });
    expect(await focused()).toBe("webhook-new");

    await page.goto(`${base}/messages`);
    await byId(page, "room-search").focus();
    await page.keyboard.type("zzz");
    await byId(page, "found").waitFor();
    await page.keyboard.press("Escape");
    await byId(page, "found").waitFor({ state: "detached" });
    expect(await focused()).toBe("room-search");

    await page.goto(`${base}/studio/analytics`);
    await byId(page, "table-toggle-peak").waitFor();
    await press("table-toggle-peak");
    await byId(page, "figure-peak").locator("table").waitFor();
    // A table scrolls, so it is a stop of its own.
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.querySelector("table") !== null)).toBe(true);
    await byId(page, "compare").focus();
    await page.keyboard.press("Space");
    await page.waitForURL(/compare=false/);
    await member.close();
  });

  it("a new page takes the focus to its heading and is announced", async () => {
    const { page } = person;
    await page.goto(base);
    await byId(page, "header-signin").click();
    await page.waitForFunction(() => document.activeElement?.hasAttribute("data-page-heading"));
    expect(await page.title()).toContain("Rillcast");
    expect(await byId(page, "route-announcer").textContent()).toBe(await page.title());
  });

  it("the language changes at once and stays after a reload", async () => {
    const { page } = person;
    await page.goto(base);
    await byId(page, "user-menu").click();
    await byId(page, "lang-vi").click();
    await page.waitForFunction(() => document.documentElement.lang === "vi");
    await page.reload();
    await page.getByText("Bản ghi mới").waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe("vi");
  });
});
