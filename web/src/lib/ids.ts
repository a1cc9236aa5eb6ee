import { read, write } from "./storage";

/** A random UUID. `crypto.randomUUID` is missing on plain-http pages, where self-hosted sites often live. */
export function uuid(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

let cached: string | null = null;

/** Names this tab as a viewer, to the playlist and to the socket alike, so that it is counted once. */
export function viewerId(): string {
  cached ??= read("rillcast.viewer", "session");
  if (!cached) {
    cached = uuid();
    write("rillcast.viewer", cached, "session");
  }
  return cached;
}
