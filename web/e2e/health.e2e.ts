// Ingest health as a broadcaster sees it: waits, turns green with graphs that move, is read by keyboard and by axe, goes grey.
import { type ChildProcess, spawn } from "node:child_process";
import { AxeBuilder } from "@axe-core/playwright";
import { afterAll, beforeAll, expect, it } from "vitest";
import { base, byId, newPerson, type Person, signUp } from "./browser";

const START_MS = 40_000;

let broadcaster: Person;
let encoder: ChildProcess | null = null;

beforeAll(async () => {
  broadcaster = await newPerson();
  await signUp(broadcaster.page, "health");
});
afterAll(async () => {
  encoder?.kill("SIGKILL");
  await broadcaster?.close();
});

const verdict = (wanted: string) =>
  broadcaster.page.waitForSelector(`[data-testid="ingest-health"][data-verdict="${wanted}"]`, {
    timeout: START_MS,
  });

async function findings(): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page: broadcaster.page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .include('[data-testid="ingest-health"]')
    .analyze();
  return violations.map(
    (found) => `${found.id}: ${found.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
  );
}

it("a broadcaster sees how the stream arrives, in graphs and in a table, until it stops arriving", async () => {
  const { page } = broadcaster;
  await page.goto(`${base}/studio`);
  const target = `${await byId(page, "studio-server").inputValue()}/${await byId(page, "studio-key").inputValue()}`;
  encoder = spawn(
    "ffmpeg",
    [
      ..."-loglevel error -re -f lavfi -i testsrc2=size=640x360:rate=30".split(" "),
      ..."-re -f lavfi -i sine=frequency=440:sample_rate=48000".split(" "),
      ..."-c:v libx264 -preset ultrafast -tune zerolatency -g 60 -b:v 1500k -pix_fmt yuv420p".split(" "),
      ..."-c:a aac -b:a 128k -f flv".split(" "),
      target,
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  await verdict("good");
  // Colour alone says nothing.
  expect((await byId(page, "health-verdict").textContent())?.length).toBeGreaterThan(5);
  for (const name of ["bitrate", "fps", "keyframe", "drift", "delay"]) {
    await page.waitForSelector(`[data-testid="graph-${name}"] canvas`, { timeout: START_MS });
  }
  // It is told anew each second.
  const before = await byId(page, "health-now").textContent();
  await page.waitForFunction(
    (old) => document.querySelector('[data-testid="health-now"]')?.textContent !== old,
    before,
    { timeout: 15_000 },
  );

  for (const theme of ["dark", "light"]) {
    await page.evaluate((value) => {
      document.documentElement.dataset.theme = value;
    }, theme);
    expect(await findings()).toEqual([]);
  }

  // By keyboard: open the table, go into it, scroll it.
  await byId(page, "health-table-toggle").focus();
  await page.keyboard.press("Enter");
  const table = byId(page, "health-table");
  await table.waitFor();
  expect(await byId(page, "health-table-toggle").getAttribute("aria-expanded")).toBe("true");
  await table.focus();
  expect(await table.evaluate((element) => element === document.activeElement)).toBe(true);
  expect(await table.locator("tbody tr").count()).toBeGreaterThan(1);
  expect(await findings()).toEqual([]);

  // History is there when the page is opened anew.
  await page.waitForTimeout(11_000);
  await page.reload();
  await verdict("good");
  await byId(page, "health-table-toggle").click();
  expect(await byId(page, "health-table").locator("tbody tr").count()).toBeGreaterThan(8);

  encoder.kill("SIGKILL");
  await verdict("noData");
  expect(broadcaster.errors).toEqual([]);
});
