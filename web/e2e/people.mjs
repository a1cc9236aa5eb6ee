// What the scripts share: the site's API, people, an encoder, a browser.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chromium } from "playwright-core";

export const site = process.env.RILLCAST_URL;
const rtmp = process.env.RILLCAST_RTMP;
if (!site || !rtmp) throw new Error("RILLCAST_URL and RILLCAST_RTMP must be set");

export function check(condition, what) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

export async function api(path, { method = "GET", token, body } = {}) {
  const answer = await fetch(`${site}/api/v1${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { "content-type": "application/json" }),
    },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  check(answer.ok, `${method} ${path} answers ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : null;
}

export async function until(what, probe, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function member(username) {
  const password = `correct horse ${username} battery`;
  const body = { username, email: `${username}@test.example`, password };
  const answer = await api("/auth/register", { method: "POST", body });
  return { username, password, token: answer.access_token };
}

/** ffmpeg with a test picture and tone; `seconds` of it, or until it is ended. */
export function publish(key, seconds = 600) {
  const input = (filter) => ["-re", "-f", "lavfi", "-i", filter];
  const encoder = spawn(
    "ffmpeg",
    [
      ...["-hide_banner", "-loglevel", "error", "-nostdin"],
      ...input("testsrc2=size=1280x720:rate=30"),
      ...input("sine=frequency=330:sample_rate=48000"),
      ...["-t", String(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"],
      ...["-g", "60", "-b:v", "1500k", "-c:a", "aac", "-b:a", "128k", "-f", "flv", `${rtmp}/${key}`],
    ],
    { stdio: "ignore" },
  );
  return {
    async end(signal) {
      encoder.kill(signal);
      if (encoder.exitCode === null && encoder.signalCode === null) await once(encoder, "exit");
    },
  };
}

export const chromiumOf = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      ...[
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
      ],
      ...["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"],
    ],
  });
