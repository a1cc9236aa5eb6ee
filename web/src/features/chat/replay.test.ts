import { expect, it } from "vitest";
import type { ChatMessage } from "@/api/types";
import { need, nothing, REPLAY_MAX, type Replay, replay, saidBy } from "./replay";

const line = (offset_ms: number): ChatMessage => ({
  id: String(offset_ms).padStart(8, "0"),
  username: "ana",
  user: { id: "u", username: "bo", display_name: "Bo", badges: [] },
  text: "x",
  client_id: null,
  sent_at: "2026-11-21T10:00:00Z",
  stream_id: "s",
  offset_ms,
});
const store = Array.from({ length: 5_000 }, (_, i) => line(i * 500));
const END = Number.POSITIVE_INFINITY;
const PAGE = 100;
const seek = (at: number) =>
  replay(nothing, {
    type: "sought",
    at,
    before: store.filter((one) => (one.offset_ms ?? 0) < at).slice(-PAGE),
    after: store.filter((one) => (one.offset_ms ?? 0) >= at).slice(0, PAGE),
    pageSize: PAGE,
    end: END,
  });
const goOn = (state: Replay) =>
  replay(state, {
    type: "went-on",
    items: store.filter((one) => one.id > (state.lines.at(-1)?.id ?? "")).slice(0, PAGE),
    pageSize: PAGE,
    end: END,
  });

it("shows what had been said by a place, and nothing that comes later", () => {
  const state = seek(600_250);
  expect(saidBy(state.lines, 600_250)).toBe(PAGE);
  expect(state.lines[PAGE - 1]?.offset_ms).toBe(600_000);
  expect(saidBy(state.lines, 0)).toBe(0);
  expect(saidBy(state.lines, END)).toBe(state.lines.length);
});

it("asks for a place it does not know, and for more before it is due", () => {
  expect(need(nothing, 0)).toBe("place");
  const state = seek(600_000);
  expect(need(state, 600_000)).toBeNull();
  expect(need(state, 645_000)).toBe("more");
  expect(need(state, 10_000)).toBe("place");
  expect(need(state, 2_000_000)).toBe("place");
});

it("plays from end to end without a gap, in bounded memory", () => {
  let state = seek(0);
  for (let at = 0; at < 2_500_000; at += 1_000) {
    if (need(state, at) === "more") state = goOn(state);
    expect(need(state, at)).not.toBe("place");
    expect(state.lines[saidBy(state.lines, at) - 1]?.offset_ms).toBe(Math.min(at, 2_499_500));
  }
  expect(state.lines.length).toBeLessThanOrEqual(REPLAY_MAX);
  expect(need(state, 9_000_000)).toBeNull();
});

it("goes round with a clip: its seconds are asked for once, and nothing after them is shown", () => {
  const [from, to] = [600_000, 630_000];
  const state = seek(from);
  for (let round = 0; round < 3; round += 1) {
    for (let at = from; at <= to; at += 250) {
      expect(need(state, at)).toBeNull();
      const shown = state.lines.slice(0, saidBy(state.lines, at));
      expect(shown.at(-1)?.offset_ms).toBe(Math.floor(at / 500) * 500);
    }
  }
});
