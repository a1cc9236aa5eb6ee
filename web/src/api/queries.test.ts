import { expect, it } from "vitest";
import { withNotification, withRead } from "./queries";
import type { Notification } from "./types";

const notice = (id: string, isRead = false): Notification => ({
  id,
  type: "stream_online",
  message: "",
  is_read: isRead,
  entity_type: "stream",
  entity_id: "s",
  created_at: "2026-11-21T10:00:00Z",
});
const list = (...items: Notification[]) => ({
  pages: [{ items, unread_count: items.filter((one) => !one.is_read).length, next_cursor: null }],
  pageParams: [null],
});

it("a notification from the socket is counted once, however often it comes", () => {
  const once = withNotification(list(notice("a")), notice("b"));
  const twice = withNotification(once, notice("b"));
  expect(twice?.pages[0]?.items.map((one) => one.id)).toEqual(["b", "a"]);
  expect(twice?.pages[0]?.unread_count).toBe(2);
  expect(withNotification(undefined, notice("b"))).toBeUndefined();
});

it("reading one lowers the count by one, reading it again by none", () => {
  const once = withRead(list(notice("a"), notice("b")), ["a"]);
  expect(once?.pages[0]?.unread_count).toBe(1);
  expect(withRead(once, ["a"])?.pages[0]?.unread_count).toBe(1);
  expect(withRead(once, "all")?.pages[0]).toMatchObject({ unread_count: 0 });
});

it("what another tab read is read here, and the server counts", () => {
  const read = withRead(list(notice("a"), notice("b"), notice("c")), ["a", "c"], 7);
  expect(read?.pages[0]?.items.map((one) => one.is_read)).toEqual([true, false, true]);
  expect(read?.pages[0]?.unread_count).toBe(7);
});
