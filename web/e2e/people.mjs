// Who takes part: the site's API, people with accounts, their encoders.
import { spawn } from "node:child_process";
import { once } from "node:events";

export const site = process.env.RILLCAST_URL;
const rtmp = process.env.RILLCAST_RTMP;
if (!site || !rtmp) throw new Error("RILLCAST_URL and RILLCAST_RTMP must be set");
/** An ffmpeg that speaks Enhanced RTMP: for what the system's own cannot publish. */
const modern = process.env.RILLCAST_MODERN_FFMPEG ?? "../target/ffmpeg/bin/ffmpeg";

export function check(condition, what) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/** Asks until there is something to return; `probe` may throw to give up at once. */
export async function until(what, probe, seconds = 15) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Accounts are made as from the browser they sign in with: from elsewhere their members would be told of it. */
const AGENT =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/1.0 Safari/537.36";

export async function api(path, { method = "GET", token, body } = {}) {
  const answer = await fetch(`${site}/api/v1${path}`, {
    method,
    headers: {
      "user-agent": AGENT,
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { "content-type": "application/json" }),
    },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  check(answer.ok, `${method} ${path} answers ${answer.status}: ${text}`);
  return text ? JSON.parse(text) : null;
}

/** The text at a path of the site: a playlist. */
export const textAt = async (path) => await (await fetch(`${site}${path}`)).text();

/** Somebody with a new account, without a browser; `member` of stage.mjs is the same with one. */
export async function account(username) {
  const password = `correct horse ${username} battery`;
  const body = { username, email: `${username}@test.example`, password };
  const { access_token: token } = await api("/auth/register", { method: "POST", body });
  const own = (path, request) => api(path, { ...request, token });
  return {
    username,
    password,
    api: own,
    /** Starts an encoder on this channel. */
    async publish(settings) {
      const { stream_key: key } = await own("/me/stream-key");
      return encode(key, settings);
    },
    /** The stream that is on air, once it is; with `id`, once it is that one. */
    onAir: ({ id, seconds } = {}) =>
      until(
        `${username} to be live`,
        async () => {
          const { live } = await api(`/channels/${username}`);
          return live?.status === "live" && (!id || live.id === id) && live;
        },
        seconds,
      ),
    /** The newest recording, once it can be watched. */
    recording: (seconds) =>
      until(
        `${username}'s recording`,
        async () => {
          const { items } = await api(`/vods?channel=${username}`);
          return items[0]?.status === "ready" && items[0];
        },
        seconds,
      ),
  };
}

const CODECS = {
  h264: ["ffmpeg", "-c:v libx264 -preset ultrafast"],
  hevc: [modern, "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=60:min-keyint=60"],
  av1: [modern, "-c:v libsvtav1 -preset 12 -svtav1-params log-level=0"],
};
const encoders = new Set();

/** ffmpeg with a test picture and a tone of `sound` hertz (0: none), until it is ended. `also` are more arguments of its own. */
export function encode(key, settings = {}) {
  const { size = "1280x720", rate = 30, sound = 48_000, codec = "h264", priority, also = [] } = settings;
  const [program, video] = CODECS[codec];
  const input = (filter) => ["-re", "-f", "lavfi", "-i", filter];
  const child = spawn(
    program,
    [
      ...["-hide_banner", "-loglevel", "error", "-nostdin"],
      ...input(`testsrc2=size=${size}:rate=${rate}`),
      ...(sound ? input(`sine=frequency=330:sample_rate=${sound}`) : []),
      // Should nobody be left to end it.
      ...["-t", "600", ...video.split(" "), "-pix_fmt", "yuv420p", "-g", String(rate * 2), "-b:v", "1500k"],
      ...(sound ? ["-c:a", "aac", "-b:a", "96k"] : []),
      ...[...also, "-f", "flv", `${rtmp}/${key}${priority ? `?priority=${priority}` : ""}`],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const over = once(child, "exit").finally(() => encoders.delete(encoder));
  const end = async (signal) => {
    child.kill(signal);
    await over;
  };
  const encoder = {
    /** Ends the broadcast as a broadcaster does. */
    stop: () => end("SIGINT"),
    /** The encoder is gone without a word. */
    lose: () => end("SIGKILL"),
    /** Waits until it ends by itself: the server does not listen to it any more. */
    sentAway: () => until("the encoder to be sent away", () => child.exitCode !== null),
  };
  encoders.add(encoder);
  return encoder;
}

export const loseEncoders = () => Promise.all([...encoders].map((encoder) => encoder.lose()));
