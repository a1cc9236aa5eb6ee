// Chromium as these tests use it, and the server they speak to.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";

const url = process.env.RILLCAST_URL;
if (!url) throw new Error("set RILLCAST_URL to a running server, such as http://127.0.0.1:8080");
export const base: string = url.replace(/\/$/, "");

/** How long a page may take to show what a test waits for. */
export const PATIENCE_MS = 15_000;

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

export type Person = { context: BrowserContext; page: Page; errors: string[]; close: () => Promise<void> };

/** A browser of its own with one page: a person. Page errors and policy violations are collected. */
export async function newPerson(
  options: { viewport?: { width: number; height: number } } = {},
): Promise<Person> {
  const profile = mkdtempSync(join(tmpdir(), "rillcast-e2e-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGS,
    viewport: options.viewport ?? { width: 1280, height: 800 },
    locale: "en-US",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = context.pages()[0] ?? (await context.newPage());
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy/i.test(message.text()))
      errors.push(message.text());
  });
  return {
    context,
    page,
    errors,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

export const byId = (page: Page, id: string) => page.getByTestId(id);

/** Creates an account by the form and returns its name. */
export async function signUp(page: Page, prefix: string): Promise<string> {
  const username = `${prefix}_${Math.random().toString(36).slice(2, 9)}`;
  await page.goto(`${base}/signup`);
  await byId(page, "username").fill(username);
  await byId(page, "email").fill(`${username}@example.net`);
  await byId(page, "password").fill("a long pass phrase 7");
  await byId(page, "submit").click();
  await byId(page, "bell").waitFor();
  return username;
}
