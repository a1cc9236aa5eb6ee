import { expect, it } from "vitest";
import type { Notification } from "@/api/types";
import { GROUP_MAX, grouped, othersIn } from "./groups";

let counter = 0;
const notice = (type: string, minutesAgo: number, isRead = false): Notification => {
  counter += 1;
  return {
    id: `n${counter}`,
    type,
    message: "",
    is_read: isRead,
    entity_type: "user",
    entity_id: "u",
    created_at: new Date(Date.UTC(2026, 10, 21, 12) - minutesAgo * 60_000).toISOString(),
  };
};
const sizes = (...list: Notification[]) => grouped(list).map((group) => group.notices.length);

it("followers of one hour are one line, whatever happened between them", () => {
  expect(
    sizes(
      notice("new_follower", 0),
      notice("stream_online", 5),
      notice("new_follower", 20),
      notice("new_follower", 60),
      notice("new_follower", 61),
    ),
  ).toEqual([3, 1, 1]);
});

it("other kinds stay alone", () => {
  expect(sizes(notice("stream_online", 0), notice("stream_online", 1), notice("vod_ready", 2))).toEqual([
    1, 1, 1,
  ]);
});

const mention = (who: string, where: string, minutesAgo: number): Notification => ({
  ...notice("mention", minutesAgo),
  actor: { username: who, display_name: who, avatar_url: null },
  channel: { username: where, display_name: where, avatar_url: null },
});

it("mentions in one chat are one line, and its people are counted once each", () => {
  const groups = grouped([
    mention("ana", "cho", 0),
    mention("bo", "dan", 1),
    mention("bo", "cho", 2),
    mention("ana", "cho", 3),
    mention("eve", "cho", 90),
  ]);
  expect(groups.map((group) => [group.notices.length, othersIn(group)])).toEqual([
    [3, 1],
    [1, 0],
    [1, 0],
  ]);
});

it("a group is read when all of it is", () => {
  const [half] = grouped([notice("new_follower", 0, true), notice("new_follower", 1, false)]);
  const [whole] = grouped([notice("new_follower", 0, true), notice("new_follower", 1, true)]);
  expect([half?.isRead, whole?.isRead]).toEqual([false, true]);
});

it("no group is larger than what can be read at once", () => {
  const crowd = Array.from({ length: GROUP_MAX + 5 }, () => notice("new_follower", 0));
  expect(sizes(...crowd)).toEqual([GROUP_MAX, 5]);
});
