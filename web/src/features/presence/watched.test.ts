import { expect, it } from "vitest";
import { learned, Shown, shownOf, WATCHED_MAX } from "./watched";

const online = { is_online: true, last_seen_at: null };
const away = { is_online: false, last_seen_at: "2026-01-01T12:00:00Z" };

it("a member shown twice is watched once, until neither shows them", () => {
  const shown = new Shown();
  expect([shown.add("b"), shown.add("a"), shown.add("b")]).toEqual([true, true, false]);
  expect(shown.list()).toEqual(["a", "b"]);
  expect([shown.remove("b"), shown.remove("b"), shown.remove("b")]).toEqual([false, true, false]);
  expect(shown.list()).toEqual(["a"]);
});

it("no more are watched than the server takes, those that came last first", () => {
  const shown = new Shown();
  for (let n = 0; n < WATCHED_MAX + 5; n++) shown.add(String(n).padStart(4, "0"));
  expect(shown.list()).toHaveLength(WATCHED_MAX);
  expect(shown.list()[0]).toBe("0005");
});

it("what is told replaces what was known, and who is not shown is forgotten", () => {
  const known = learned(
    { a: online, b: online, c: online },
    [
      { user_id: "a", presence: away },
      { user_id: "d", presence: online },
    ],
    ["a", "b"],
  );
  expect(known).toEqual({ a: away, b: online });
  expect(learned(known, [{ user_id: "a", presence: null }], ["a"])).toEqual({ a: null });
});

it("the page's word stands until the socket has one, and nobody knows without a line", () => {
  expect(shownOf({}, "connecting", "a", away)).toEqual(away);
  expect(shownOf({ a: online }, "up", "a", away)).toEqual(online);
  expect(shownOf({ a: null }, "up", "a", online)).toBeNull();
  expect(shownOf({ a: online }, "down", "a", online)).toBeNull();
  expect(shownOf({}, "up", "a", undefined)).toBeNull();
});
