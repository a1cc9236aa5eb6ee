// This browser's subscription to Web Push. The permission is asked for only when somebody clicks.
import { api, unwrap } from "@/api/client";

export type PushState = "unsupported" | "off" | "on" | "denied";

export function isSupported(): boolean {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

async function current(): Promise<PushSubscription | null> {
  const worker = await navigator.serviceWorker.getRegistration("/");
  return (await worker?.pushManager.getSubscription()) ?? null;
}

export async function pushState(): Promise<PushState> {
  if (!isSupported()) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return (await current()) ? "on" : "off";
}

/** Asks for the permission, subscribes, and tells the server. Resolves to how it is then. */
export async function turnOn(publicKey: string): Promise<PushState> {
  if ((await Notification.requestPermission()) !== "granted") return pushState();
  await navigator.serviceWorker.register("/sw.js", { scope: "/" });
  const worker = await navigator.serviceWorker.ready;
  const key = bytes(publicKey);
  let subscription = await worker.pushManager.getSubscription();
  if (subscription && !isFor(subscription, key)) {
    // Of a site secret that is no more: nobody can send to it.
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ??= await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint = "", keys = {} } = subscription.toJSON();
  try {
    await unwrap(
      api.POST("/api/v1/me/push/devices", {
        body: {
          endpoint,
          keys: { p256dh: keys.p256dh ?? "", auth: keys.auth ?? "" },
          label: deviceLabel(navigator.userAgent),
        },
      }),
    );
  } catch (error) {
    // A subscription the server does not know would show a switch that is on and does nothing.
    await subscription.unsubscribe();
    throw error;
  }
  return "on";
}

/** Takes this browser's subscription back. The server forgets it when its push service says that it is gone. */
export async function turnOff(): Promise<PushState> {
  await (await current())?.unsubscribe();
  return pushState();
}

function isFor(subscription: PushSubscription, key: Uint8Array): boolean {
  const theirs = subscription.options.applicationServerKey;
  if (!theirs) return false;
  const old = new Uint8Array(theirs);
  return old.length === key.length && old.every((byte, i) => byte === key[i]);
}

export function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  const out = new Uint8Array(new ArrayBuffer(text.length));
  for (let i = 0; i < text.length; i += 1) out[i] = text.charCodeAt(i);
  return out;
}

/** What a browser is called in the list: its name and its system. */
export function deviceLabel(agent: string): string {
  const found = (pairs: readonly (readonly [RegExp, string])[]) =>
    pairs.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = found([
    [/Edg\//, "Edge"],
    [/OPR\//, "Opera"],
    [/Firefox\//, "Firefox"],
    [/Chrome\//, "Chrome"],
    [/Safari\//, "Safari"],
  ]);
  const system = found([
    [/Android/, "Android"],
    [/iPhone|iPad/, "iOS"],
    [/Windows/, "Windows"],
    [/Mac OS X/, "macOS"],
    [/Linux/, "Linux"],
  ]);
  return [browser ?? "Browser", system].filter(Boolean).join(", ");
}
