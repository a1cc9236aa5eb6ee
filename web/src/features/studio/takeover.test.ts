import { expect, it } from "vitest";
import { endWord, takeoverState } from "./takeover";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const SOON = "2026-11-21T12:00:20Z";
const PAST = "2026-11-21T11:59:59Z";
const encoder = (epoch: number) => ({ epoch, connected_at: PAST, address: "192.0.2.1", priority: 0 });

it("an open offer is shown, whoever made it", () => {
  expect(takeoverState({ encoder: encoder(1), takeover_until: SOON }, null, NOW)).toEqual({
    state: "open",
    until: SOON,
  });
});

it("a newer encoder than the one there was is the end of the offer", () => {
  const offer = { until: SOON, epoch: 1 };
  expect(takeoverState({ encoder: encoder(2), takeover_until: null }, offer, NOW).state).toBe("done");
  // Until the owner makes another one.
  expect(takeoverState({ encoder: encoder(2), takeover_until: SOON }, offer, NOW).state).toBe("open");
  // It is not gone yet where the offer was spent a moment ago.
  expect(takeoverState({ encoder: encoder(1), takeover_until: null }, offer, NOW).state).toBe("idle");
});

it("an offer nobody took is missed", () => {
  const facts = { encoder: encoder(1), takeover_until: null };
  expect(takeoverState(facts, { until: PAST, epoch: 1 }, NOW).state).toBe("missed");
  expect(takeoverState({ ...facts, takeover_until: PAST }, null, NOW).state).toBe("idle");
});

it("the reason to mend is told rather than the window that ran out", () => {
  expect(endWord("window_over", "codec_refused")).toBe("codec_refused");
  expect(endWord("window_over", "connection_lost")).toBe("window_over");
  expect(endWord("cut", "cut")).toBe("cut");
  expect(endWord("something_new", null)).toBe("unknown");
  expect(endWord(null)).toBe("unknown");
});
