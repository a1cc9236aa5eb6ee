import { describe, expect, it, vi } from "vitest";
import type { ChatMessage } from "@/api/types";
import { countAfter, emptyRoom, fillGap, LINES_MAX, merge, type Room, type RoomAction, room } from "./room";

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
      { type: "received", message: line("e") },
      { type: "received", message: line("d") },
      { type: "received", message: line("c") },
      { type: "older", items: [line("a")], isAll: true },
    );
    expect(ids(state.lines)).toBe("abcde");
    expect(state.hasOlder).toBe(false);
  });

  it("are dropped from the front beyond the limit", () => {
    const many = Array.from({ length: LINES_MAX + 5 }, (_, i) => line(String(i).padStart(5, "0")));
    const state = play({ type: "filled", items: many });
    expect(state.lines).toHaveLength(LINES_MAX);
    expect(state.lines[0]?.id).toBe("00005");
  });

  it("stay deleted when an older copy arrives", () => {
    const state = play(
      { type: "received", message: line("a") },
      { type: "deleted", id: "a" },
      { type: "filled", items: [line("a")] },
    );
    expect(state.lines[0]).toMatchObject({ deleted: true, text: "" });
  });

  it("of one author, or of all, are struck by a clear", () => {
    const other = line("b", { user: { id: "u2", username: "cy", display_name: "Cy", badges: [] } });
    const one = play({ type: "filled", items: [line("a"), other] }, { type: "cleared", userId: "u1" });
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
      { type: "received", message: line("a") },
      { type: "sending", clientId: "x", text: "hi" },
    );
    expect(sending.pending).toMatchObject([{ clientId: "x", state: "sending" }]);
    const sent = room(sending, { type: "sent", clientId: "x", message: line("b", { client_id: "x" }) });
    expect(sent.pending).toEqual([]);
    expect(ids(sent.lines)).toBe("ab");
  });

  it("are settled by the broadcast even when the answer is lost", () => {
    const state = play(
      { type: "sending", clientId: "x", text: "hi" },
      { type: "received", message: line("b", { client_id: "x" }) },
      { type: "failed", clientId: "x", code: "network", retryAfterS: null },
    );
    expect(state.pending).toEqual([]);
    expect(ids(state.lines)).toBe("b");
  });

  it("keep their place in failure and go out again under the same id", () => {
    const failed = play(
      { type: "sending", clientId: "x", text: "hi" },
      { type: "failed", clientId: "x", code: "chat.throttled", retryAfterS: 3 },
    );
    expect(failed.pending).toMatchObject([{ state: "failed", code: "chat.throttled", retryAfterS: 3 }]);
    const again = room(failed, { type: "sending", clientId: "x", text: "hi" });
    expect(again.pending).toMatchObject([{ clientId: "x", state: "sending", code: null }]);
    expect(room(failed, { type: "discarded", clientId: "x" }).pending).toEqual([]);
  });
});

describe("a gap", () => {
  const store = Array.from({ length: 25 }, (_, i) => line(String(i).padStart(3, "0")));
  const fetchAfter = (after: string, limit: number) =>
    Promise.resolve(store.filter((one) => one.id > after).slice(0, limit));

  it("is filled page by page until nothing is missing", async () => {
    const fetch = vi.fn(fetchAfter);
    const missed = await fillGap("004", fetch, { pageSize: 10 });
    expect(missed?.map((one) => one.id)).toEqual(store.slice(5).map((one) => one.id));
    expect(fetch.mock.calls.map(([after]) => after)).toEqual(["004", "014", "024"]);
  });

  it("too wide to fill is told apart, so that the room starts anew", async () => {
    expect(await fillGap("000", fetchAfter, { pageSize: 10, pagesMax: 2 })).toBeNull();
    const state = play(
      { type: "filled", items: [line("000")] },
      { type: "restarted", items: store.slice(20) },
    );
    expect(state.lines).toHaveLength(5);
    expect(state.hasOlder).toBe(true);
  });

  it("ends at a server that repeats itself", async () => {
    const stuck = vi.fn(async () => [line("001")]);
    expect(await fillGap("001", stuck, { pageSize: 1 })).toHaveLength(1);
    expect(stuck).toHaveBeenCalledTimes(1);
  });
});
