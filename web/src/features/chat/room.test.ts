import { describe, expect, it } from "vitest";
import type { ChatMessage } from "@/api/types";
import { countAfter, emptyRoom, LINES_MAX, merge, type Room, type RoomAction, room } from "./room";

const line = (id: string, extra: Partial<ChatMessage> = {}): ChatMessage => ({
  id,
  username: "ana",
  user: { id: "u1", username: "bo", display_name: "Bo", badges: [] },
  text: `text ${id}`,
  client_id: null,
  sent_at: "2026-11-21T10:00:00Z",
  stream_id: null,
  offset_ms: null,
  ...extra,
});
const ids = (lines: ChatMessage[]) => lines.map((one) => one.id).join("");
const play = (...actions: RoomAction[]): Room => actions.reduce(room, emptyRoom);

describe("lines", () => {
  it("are kept once and in order, whatever order they come in", () => {
    const state = play(
      { type: "joined", history: [line("b"), line("c")], modes: {}, rejoined: false },
      { type: "received", messages: [line("e")] },
      { type: "received", messages: [line("d")] },
      { type: "received", messages: [line("c")] },
      { type: "older", items: [line("a")], isAll: true },
    );
    expect(ids(state.lines)).toBe("abcde");
    expect(state.hasOlder).toBe(false);
  });

  it("that were struck and came back are whole again, and those still struck are not", () => {
    const state = play(
      { type: "joined", history: [line("a"), line("b"), line("c")], modes: {}, rejoined: false },
      { type: "cleared", userId: null },
      { type: "restored", items: [line("a"), line("c")] },
    );
    expect(ids(state.lines)).toBe("abc");
    expect(state.lines.map((one) => one.deleted ?? false)).toEqual([false, true, false]);
  });

  it("that were given back while one was away are whole again, and others stay struck", () => {
    const state = play(
      { type: "joined", history: [line("a"), line("b")], modes: {}, rejoined: false },
      { type: "cleared", userId: null },
      {
        type: "missed",
        missed: [],
        changes: [{ ...line("a"), changed_at: "2026-11-22T05:00:00.000Z" }, line("b")],
        removed: [],
      },
    );
    expect(state.lines.map((one) => one.deleted ?? false)).toEqual([false, true]);
  });

  it("of one's own that wait for a moderator wait until they are said", () => {
    const sending: RoomAction = { type: "sending", clientId: "c1", text: "spoiler", replyTo: null };
    const held = play(sending, { type: "held", clientId: "c1" });
    expect(held.pending.map((one) => one.state)).toEqual(["held"]);
    const said = room(held, { type: "received", messages: [line("a", { client_id: "c1" })] });
    expect([said.pending.length, ids(said.lines)]).toEqual([0, "a"]);
  });

  it("are dropped from the front beyond the limit", () => {
    const many = Array.from({ length: LINES_MAX + 5 }, (_, i) => line(String(i).padStart(5, "0")));
    const state = play({ type: "received", messages: many });
    expect(state.lines).toHaveLength(LINES_MAX);
    expect(state.lines[0]?.id).toBe("00005");
  });

  it("stay deleted when an older copy arrives", () => {
    const state = play(
      { type: "received", messages: [line("a")] },
      { type: "deleted", id: "a" },
      { type: "missed", missed: [line("a")], changes: [], removed: [] },
    );
    expect(state.lines[0]).toMatchObject({ deleted: true, text: "" });
  });

  it("of one author, or of all, are struck by a clear", () => {
    const other = line("b", { user: { id: "u2", username: "cy", display_name: "Cy", badges: [] } });
    const one = play({ type: "received", messages: [line("a"), other] }, { type: "cleared", userId: "u1" });
    expect(one.lines.map((l) => Boolean(l.deleted))).toEqual([true, false]);
    const all = room(one, { type: "cleared", userId: null });
    expect(all.lines.every((l) => l.deleted)).toBe(true);
  });

  it("count as new after the last one seen, whether or not it is still there", () => {
    const lines = ["b", "d", "e"].map((id) => line(id));
    expect(["", "a", "b", "c", "e"].map((id) => countAfter(lines, id))).toEqual([3, 3, 2, 2, 0]);
  });

  it("that bring nothing new leave the list as it is", () => {
    const known = [line("a")];
    expect(merge(known, [])).toBe(known);
  });
});

describe("own lines", () => {
  it("wait below the others and turn into the stored line", () => {
    const sending = play(
      { type: "received", messages: [line("a")] },
      { type: "sending", clientId: "x", text: "hi", replyTo: null },
    );
    expect(sending.pending).toMatchObject([{ clientId: "x", state: "sending" }]);
    const sent = room(sending, { type: "sent", clientId: "x", message: line("b", { client_id: "x" }) });
    expect(sent.pending).toEqual([]);
    expect(ids(sent.lines)).toBe("ab");
  });

  it("are settled by the broadcast even when the answer is lost", () => {
    const state = play(
      { type: "sending", clientId: "x", text: "hi", replyTo: null },
      { type: "received", messages: [line("b", { client_id: "x" })] },
      { type: "failed", clientId: "x", code: "network", retryAfterS: null },
    );
    expect(state.pending).toEqual([]);
    expect(ids(state.lines)).toBe("b");
  });

  it("keep their place in failure and go out again under the same id", () => {
    const failed = play(
      { type: "sending", clientId: "x", text: "hi", replyTo: null },
      { type: "failed", clientId: "x", code: "chat.throttled", retryAfterS: 3 },
    );
    expect(failed.pending).toMatchObject([{ state: "failed", code: "chat.throttled", retryAfterS: 3 }]);
    const again = room(failed, { type: "sending", clientId: "x", text: "hi", replyTo: null });
    expect(again.pending).toMatchObject([{ clientId: "x", state: "sending", code: null }]);
    expect(room(failed, { type: "discarded", clientId: "x" }).pending).toEqual([]);
  });
});

describe("coming back", () => {
  it("fills in what was missed, changed and removed, each once and in its place", () => {
    const answer = line("d", { reply_to: { id: "b", user: null, text: "text b", is_deleted: false } });
    const state = play(
      { type: "joined", history: ["a", "b", "d"].map((id) => line(id)), modes: {}, rejoined: false },
      { type: "received", messages: [answer] },
      {
        type: "missed",
        missed: [line("e"), line("f")],
        changes: [line("c"), line("a", { text: "better" })],
        removed: ["b"],
      },
    );
    expect(ids(state.lines)).toBe("abcdef");
    expect(state.lines[0]?.text).toBe("better");
    expect(state.lines[1]?.deleted).toBe(true);
    expect(state.lines[3]?.reply_to).toMatchObject({ text: "", is_deleted: true });
  });

  it("after too long begins anew", () => {
    const state = play(
      { type: "received", messages: [line("a")] },
      { type: "restarted", items: [line("x"), line("y")] },
    );
    expect(ids(state.lines)).toBe("xy");
    expect(state.hasOlder).toBe(true);
  });
});

describe("reactions and edits", () => {
  const mine = [{ emoji: "👍", count: 1, is_mine: true }];
  it("keep which reactions are one's own", () => {
    const state = play(
      { type: "received", messages: [line("a"), line("b")] },
      { type: "reactions", id: "a", reactions: mine, hasMine: true },
      { type: "reactions", id: "a", reactions: [{ emoji: "👍", count: 5 }], hasMine: false },
    );
    expect(state.lines[0]?.reactions).toEqual([{ emoji: "👍", count: 5, is_mine: true }]);
    const edited = room(state, { type: "edited", message: line("a", { text: "new" }) });
    expect(edited.lines[0]?.text).toBe("new");
    expect(edited.lines[1]).toBe(state.lines[1]);
  });

  it("reach the pinned line, and its removal takes the pin down", () => {
    const pinned = play({ type: "received", messages: [line("a")] }, { type: "pinned", message: line("a") });
    const edited = room(pinned, { type: "edited", message: line("a", { text: "new" }) });
    expect(edited.pinned?.text).toBe("new");
    expect(room(edited, { type: "deleted", id: "a" }).pinned).toBeNull();
  });
});

it("ten thousand lines take fifty more a second without effort", () => {
  let state = play({
    type: "received",
    messages: Array.from({ length: LINES_MAX }, (_, i) => line(`a${String(i).padStart(6, "0")}`)),
  });
  const from = performance.now();
  for (let i = 0; i < 500; i += 1) {
    state = room(state, { type: "received", messages: [line(`b${String(i).padStart(6, "0")}`)] });
  }
  const eachMs = (performance.now() - from) / 500;
  expect(state.lines).toHaveLength(LINES_MAX);
  // A frame has 16 ms; this machine needs a twentieth of one.
  expect(eachMs).toBeLessThan(4);
});
