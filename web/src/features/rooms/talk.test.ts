import { describe, expect, it } from "vitest";
import type { RoomMessage } from "@/api/types";
import { caughtUp, merged, placed, reacted, type Talk, without, withTold } from "./talk";

const message = (id: string, more: Partial<RoomMessage> = {}): RoomMessage => ({
  id,
  room_id: "r",
  user: { id: "u", username: "ana", display_name: "Ana", avatar_url: null },
  text: id,
  client_id: id,
  sent_at: "2026-01-01T12:00:00.000Z",
  ...more,
});
const ids = (items: RoomMessage[]) => items.map(({ id }) => id);

it("what comes twice is shown once, and what comes late stands where it belongs", () => {
  const old = ["1", "3"].map((id) => message(id));
  const fresh = ["3", "2", "4"].map((id) => message(id, { text: "new" }));
  expect(ids(merged(old, fresh))).toEqual(["1", "2", "3", "4"]);
  expect(merged(old, fresh)[2]?.text).toBe("new");
});

describe("coming back", () => {
  const talk: Talk = { items: ["2", "4"].map((id) => message(id)), hasOlder: true, now: "a" };
  it("adds what was said, changes what was changed, and takes out what is gone", () => {
    const after = caughtUp(talk, {
      items: [message("5")],
      changes: [message("4", { text: "edited" }), message("3"), message("1", { text: "not loaded" })],
      removed: ["2"],
      is_gap: false,
      now: "b",
    });
    expect(ids(after?.items ?? [])).toEqual(["3", "4", "5"]);
    expect(after?.items[1]?.text).toBe("edited");
    expect(after).toMatchObject({ hasOlder: true, now: "b" });
  });
  it("begins anew when more changed than is told", () => {
    expect(caughtUp(talk, { items: [], is_gap: true, now: "b" })).toBeNull();
  });
});

it("what is told while a page is read is neither lost nor undone, and what is gone stays gone", () => {
  const read = [message("2"), message("3", { changed_at: "b", text: "newer" })];
  const told = [
    message("1"),
    message("2", { changed_at: "a", text: "edited" }),
    message("3", { changed_at: "a" }),
    message("4"),
  ];
  expect(withTold(read, told).map(({ id, text }) => [id, text])).toEqual([
    ["2", "edited"],
    ["3", "newer"],
    ["4", "4"],
  ]);
});

it("an answer outlives what it answers, and says so", () => {
  const answered = { id: "1", user: { id: "u", username: "ana", display_name: "Ana", avatar_url: null } };
  const answer = message("2", { reply_to: { ...answered, text: "1", is_deleted: false } });
  expect(without([message("1"), answer], ["1"])).toEqual([
    { ...answer, reply_to: { id: "1", user: null, text: "", is_deleted: true } },
  ]);
});

it("reactions replace those of the same message only", () => {
  const items = reacted([message("1"), message("2")], "2", [{ emoji: "👍", user_ids: ["u"] }]);
  expect(items.map((one) => one.reactions)).toEqual([undefined, [{ emoji: "👍", user_ids: ["u"] }]]);
});

it("a day is said once, and a name when somebody begins to speak", () => {
  const at = (hours: number, minutes: number) => new Date(2026, 0, 1, hours, minutes).toISOString();
  const other = { id: "v", username: "bo", display_name: "Bo", avatar_url: null };
  const items = [
    message("1", { sent_at: at(12, 0) }),
    message("2", { sent_at: at(12, 1) }),
    message("3", { sent_at: at(12, 2), user: other }),
    message("4", { sent_at: at(12, 20), user: other }),
    message("5", { sent_at: at(36, 20), user: other }),
  ];
  expect(placed(items).map(({ isFirst }) => isFirst)).toEqual([true, false, true, true, true]);
  expect(placed(items).map(({ isNewDay }) => isNewDay)).toEqual([true, false, false, false, true]);
});
