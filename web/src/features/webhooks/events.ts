// What webhooks are told of, and how their state and their messages' are told in a word.
import type { Webhook, WebhookDelivery, WebhookEvent } from "@/api/types";

/** What may be chosen, in the order it is shown. A ping needs no choosing. */
export const EVENTS = [
  "stream.online",
  "stream.updated",
  "stream.offline",
  "vod.ready",
  "vod.failed",
  "channel.followed",
  "chat.moderated",
] as const satisfies readonly WebhookEvent[];
export type ChosenEvent = (typeof EVENTS)[number];

/** Names in addresses of texts have no dots. */
export const eventKey = <E extends string>(event: E) => event.replaceAll(".", "_");

export function isKnownEvent(event: string): event is ChosenEvent {
  return (EVENTS as readonly string[]).includes(event);
}

/** What is kept: nothing chosen, and everything chosen, are both "everything". */
export function toKeep(chosen: ReadonlySet<ChosenEvent>, isAll: boolean): ChosenEvent[] {
  return isAll ? [] : EVENTS.filter((event) => chosen.has(event));
}

export type Health = "on" | "off" | "gone" | "failed" | "failing";

/** How a webhook does. */
export function healthOf(
  webhook: Pick<Webhook, "is_enabled" | "disabled_because" | "failing_since">,
): Health {
  if (webhook.is_enabled) return webhook.failing_since ? "failing" : "on";
  if (webhook.disabled_because === "gone") return "gone";
  return webhook.disabled_because === "failing" ? "failed" : "off";
}

/** Longer than this a message waits for its next attempt; nobody watches for that. */
const SOON_MS = 30_000;

/** Whether something will be seen of a message in a moment. */
export function isSettling(
  delivery: Pick<WebhookDelivery, "state" | "next_at">,
  now: number = Date.now(),
): boolean {
  return (
    delivery.state === "waiting" &&
    delivery.next_at !== null &&
    Date.parse(delivery.next_at ?? "") - now < SOON_MS
  );
}

/** A host, the part of an address that says most. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

/** A body as people read it. What is no JSON is shown as it came. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
