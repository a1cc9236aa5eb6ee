// How smoothly a chat runs that says 50 lines a second with 10,000 in memory: `npm run build && node e2e/smooth.mjs`.
// Against the mock (dev/mock.mjs), so that nothing but the page is measured. Prints one JSON object; exits 1 where a bound is crossed.
// What counts is the page's own work: frames also depend on what else the machine does, and are told beside it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chromium } from "playwright-core";

const LINES = 10_000;
const PER_SECOND = 50;
const SECONDS = 20;
/** The page's main thread may be busy for so much of a second. */
const BUSY_MAX = 0.5;
/** One piece of work longer than this is seen. */
const TASK_MS_MAX = 120;
/** What the tab may grow by while 1,000 lines come and 1,000 go. */
const GROWTH_MIB_MAX = 15;

const mock = spawn("node", ["dev/mock.mjs", "0"], {
  env: { ...process.env, MOCK_NO_MEDIA: "1" },
  stdio: ["ignore", "pipe", "inherit"],
});
const [ready] = await once(mock.stdout, "data");
const site = /http:\S+/.exec(String(ready))[0];
const flood = (what) => fetch(`${site}/__mock/flood`, { method: "POST", body: JSON.stringify(what) });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-precise-memory-info",
  ],
});
const measured = {};
try {
  const page = await browser.newPage({ viewport: { width: 400, height: 720 } });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const metrics = async () => {
    const { metrics: all } = await devtools.send("Performance.getMetrics");
    return Object.fromEntries(all.map(({ name, value }) => [name, value]));
  };
  const heap = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    return (await metrics()).JSHeapUsedSize / 1024 / 1024;
  };
  await page.goto(`${site}/popout/linh_makes/chat`);
  await page.locator('[data-testid="chat"][data-joined="true"]').waitFor();
  for (let sent = 0; sent < LINES; sent += 500) await flood({ lines: 500 });
  await flood({ lines: 1 });
  // More than are kept: the list is full, and every line that comes pushes one out.
  await page.waitForTimeout(2_000);
  await flood({ rate: PER_SECOND });
  await page.waitForTimeout(2_000);
  measured.heap_mib = await heap();
  const before = await metrics();
  const seen = await page.evaluate(
    (ms) =>
      new Promise((resolve) => {
        const tasks = [];
        const observer = new PerformanceObserver((list) => {
          for (const one of list.getEntries()) tasks.push(Math.round(one.duration));
        });
        observer.observe({ type: "longtask" });
        const gaps = [];
        const begun = performance.now();
        let last = begun;
        const frame = (at) => {
          gaps.push(at - last);
          last = at;
          if (at - begun < ms) requestAnimationFrame(frame);
          else {
            observer.disconnect();
            resolve({ tasks, gaps: gaps.slice(1) });
          }
        };
        requestAnimationFrame(frame);
      }),
    SECONDS * 1_000,
  );
  const after = await metrics();
  measured.heap_grown_mib = (await heap()) - measured.heap_mib;
  const sorted = seen.gaps.toSorted((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.floor(sorted.length * share)]);
  measured.frames_per_s = Math.round(seen.gaps.length / SECONDS);
  measured.frame_ms = { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  measured.frames_dropped = seen.gaps.reduce(
    (sum, gap) => sum + Math.max(0, Math.round(gap / (1000 / 60)) - 1),
    0,
  );
  measured.long_tasks = seen.tasks.length;
  measured.longest_task_ms = Math.max(0, ...seen.tasks);
  const spent = (name) => Math.round(((after[name] - before[name]) / SECONDS) * 1_000);
  measured.busy_ms_per_s = {
    all: spent("TaskDuration"),
    script: spent("ScriptDuration"),
    layout: spent("LayoutDuration"),
    style: spent("RecalcStyleDuration"),
  };
  measured.dom_nodes = after.Nodes;
  measured.list_px = await page.getByTestId("chat-messages").evaluate((list) => list.scrollHeight);
  measured.rows_drawn = await page.getByTestId("chat-message").count();
  measured.is_at_end = await page
    .getByTestId("chat-new")
    .count()
    .then((count) => count === 0);
} finally {
  await browser.close();
  mock.kill();
}
console.log(JSON.stringify(measured, null, 2));
const holds = {
  busy: measured.busy_ms_per_s.all < BUSY_MAX * 1_000,
  longest_task: measured.longest_task_ms < TASK_MS_MAX,
  memory: measured.heap_grown_mib < GROWTH_MIB_MAX,
  follows: measured.is_at_end,
  // No line is lower than 20 pixels: they are all there.
  full: measured.list_px > LINES * 20,
};
for (const [what, is] of Object.entries(holds)) if (!is) console.error(`does not hold: ${what}`);
process.exitCode = Object.values(holds).every(Boolean) ? 0 : 1;
