// What became of "let the next encoder take over": pure, so that it can be tested without a page.
import type { StreamSettings } from "@/api/types";

/** What was asked for: until when, and whom the newcomer was to replace. */
export type Offer = { until: string; epoch: number };

export type TakeoverState =
  | { state: "idle" }
  | { state: "open"; until: string }
  | { state: "done" }
  | { state: "missed" };

type Facts = Pick<StreamSettings, "encoder" | "takeover_until">;

/** `now` is the server's time. `offer` is what this page asked for, if it did; another page may have. */
export function takeoverState(facts: Facts, offer: Offer | null, now: number): TakeoverState {
  const until = facts.takeover_until ?? null;
  if (until && Date.parse(until) > now) return { state: "open", until };
  const epoch = facts.encoder?.epoch ?? null;
  if (offer && epoch !== null && epoch > offer.epoch) return { state: "done" };
  if (offer && Date.parse(offer.until) <= now) return { state: "missed" };
  return { state: "idle" };
}

/** Why a stream is over, as one of the words the page has a sentence for. */
export type EndWord =
  | "unpublished"
  | "window_over"
  | "connection_lost"
  | "went_silent"
  | "protocol_error"
  | "codec_refused"
  | "server_stopping"
  | "cut"
  | "never_delivered"
  | "unknown";

const WORDS: readonly string[] = [
  "unpublished",
  "window_over",
  "connection_lost",
  "went_silent",
  "protocol_error",
  "codec_refused",
  "server_stopping",
  "cut",
  "never_delivered",
] satisfies EndWord[];

/** A window that ran out says less than what made the encoder leave, where that is something to mend. */
export function endWord(reason?: string | null, encoderReason?: string | null): EndWord {
  const isTelling = encoderReason === "codec_refused" || encoderReason === "protocol_error";
  const word = reason === "window_over" && isTelling ? encoderReason : reason;
  return word && WORDS.includes(word) ? (word as EndWord) : "unknown";
}
