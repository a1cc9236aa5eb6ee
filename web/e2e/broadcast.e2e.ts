// One broadcast from beginning to recording, as people live it: a broadcaster with ffmpeg, a follower, a visitor.
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { base, byId, newPerson, type Person, signUp } from "./browser";

/** From the encoder's start to the first picture on a busy machine. */
const START_MS = 30_000;

let encoder: ChildProcess | null = null;

function publish(target: string): ChildProcess {
  const args = [
    ..."-loglevel error -re -f lavfi -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000".split(
      " ",
    ),
    ..."-c:v libx264 -preset ultrafast -tune zerolatency -g 60 -pix_fmt yuv420p -c:a aac -b:a 96k -f flv".split(
      " ",
    ),
    target,
  ];
  encoder = spawn("ffmpeg", args, { stdio: ["pipe", "ignore", "inherit"] });
  return encoder;
}

async function stop(how: "cleanly" | "abruptly"): Promise<void> {
  const child = encoder;
  encoder = null;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once("exit", done));
  if (how === "cleanly") child.stdin?.write("q");
  else child.kill("SIGKILL");
  await gone;
}

const position = (person: Person) =>
  byId(person.page, "video").evaluate((video) => (video as HTMLVideoElement).currentTime);

async function advances(person: Person, timeout = START_MS): Promise<void> {
  const from = await position(person);
  await person.page.waitForFunction(
    (start) => {
      const video = document.querySelector<HTMLVideoElement>('[data-testid="video"]');
      return video !== null && !video.paused && video.currentTime > start + 1.5;
    },
    from,
    { timeout },
  );
}

describe("a broadcast", () => {
  let broadcaster: Person;
  let follower: Person;
  let visitor: Person;
  let channel: string;
  let target: string;

  beforeAll(async () => {
    [broadcaster, follower, visitor] = await Promise.all([newPerson(), newPerson(), newPerson()]);
    channel = await signUp(broadcaster.page, "caster");
    await signUp(follower.page, "fan");
  });
  afterAll(async () => {
    await stop("abruptly");
    await Promise.all([broadcaster?.close(), follower?.close(), visitor?.close()]);
  });

  it("is awaited in the studio and by a follower in front of an offline channel", async () => {
    const { page } = broadcaster;
    await page.goto(`${base}/studio`);
    const server = await byId(page, "studio-server").inputValue();
    await byId(page, "reveal-key").click();
    const key = await byId(page, "studio-key").inputValue();
    expect(server).toMatch(/^rtmp:\/\//);
    expect(key.length).toBeGreaterThan(15);
    target = `${server}/${key}`;
    await byId(page, "stream-title").fill("First light");
    await byId(page, "stream-save").click();

    await follower.page.goto(`${base}/c/${channel}`);
    await byId(follower.page, "state-offline").waitFor();
    await byId(follower.page, "follow").click();
    await follower.page.locator('[data-testid="follow"][data-following="true"]').waitFor();
    await visitor.page.goto(`${base}/c/${channel}`);
    await byId(visitor.page, "state-offline").waitFor();
  });

  it("turns the studio green and reaches everybody who waits, with about a second of delay", async () => {
    publish(target);
    await broadcaster.page
      .locator('[data-testid="studio-status"][data-state="live"]')
      .waitFor({ timeout: START_MS });
    await Promise.all([advances(follower), advances(visitor)]);
    await follower.page.waitForFunction(
      () => {
        const shown = document.querySelector<HTMLElement>('[data-testid="latency"]')?.dataset.seconds;
        return shown !== undefined && shown !== "" && Number(shown) < 4;
      },
      undefined,
      { timeout: START_MS },
    );
    await byId(follower.page, "live-badge").first().waitFor();
    const viewers = follower.page.getByTestId("viewers").first();
    await expect
      .poll(async () => Number(await viewers.getAttribute("data-count")), { timeout: 10_000 })
      .toBe(3);
  });

  it("rings the follower's bell exactly once", async () => {
    const count = byId(follower.page, "bell-count");
    await count.waitFor();
    expect(await count.textContent()).toBe("1");
    await byId(follower.page, "bell").click();
    expect(await byId(follower.page, "notification").count()).toBe(1);
    await follower.page.keyboard.press("Escape");
  });

  it("is talked about: both see each other's words, once and in order", async () => {
    const say = async (person: Person, text: string) => {
      await byId(person.page, "chat-input").fill(text);
      await byId(person.page, "chat-send").click();
      await person.page.getByTestId("chat-message").filter({ hasText: text }).waitFor();
    };
    await say(follower, "hello from the fan");
    await say(broadcaster, "hello from the studio");
    for (const person of [broadcaster, follower, visitor]) {
      const lines = person.page.getByTestId("chat-message");
      await lines.filter({ hasText: "hello from the studio" }).waitFor();
      expect(await lines.filter({ hasText: "hello from" }).count()).toBe(2);
    }
    await byId(visitor.page, "chat-signin").waitFor();
  });

  it("survives five seconds without the encoder: told as reconnecting, then the same stream", async () => {
    const before = await (await fetch(`${base}/api/v1/channels/${channel}`)).json();
    await stop("abruptly");
    await byId(follower.page, "state-reconnecting").waitFor({ timeout: START_MS });
    await follower.page.waitForTimeout(5_000);
    publish(target);
    await byId(follower.page, "state-reconnecting").waitFor({ state: "detached", timeout: START_MS });
    await advances(follower);
    const after = await (await fetch(`${base}/api/v1/channels/${channel}`)).json();
    expect(after.live.id).toBe(before.live.id);
    expect(await byId(follower.page, "bell-count").textContent()).toBe("1");
  });

  it("ends at once, and its recording plays to its end", async () => {
    await stop("cleanly");
    await byId(follower.page, "state-offline").waitFor({ timeout: START_MS });
    await byId(follower.page, "last-recording").click();
    await advances(follower);
    await follower.page.waitForFunction(() => {
      const views = document.querySelector<HTMLElement>('[data-testid="vod-views"]');
      return Number(views?.dataset.count) >= 1;
    });
    await byId(follower.page, "video").evaluate((video) => {
      const player = video as HTMLVideoElement;
      player.currentTime = Math.max(0, player.duration - 3);
    });
    await follower.page.waitForFunction(
      () => document.querySelector<HTMLVideoElement>('[data-testid="video"]')?.ended === true,
      undefined,
      { timeout: START_MS },
    );
    for (const person of [broadcaster, follower, visitor]) expect(person.errors).toEqual([]);
  });
});
