import i18next from "i18next";
import { beforeAll, expect, describe as group, it } from "vitest";
import type { ModAct } from "@/api/types";
import { startI18n } from "@/i18n";
import { fasterOne, fits, type LogPages, mayUndo, modeChanges, takenBack, timeoutOf, withAct } from "./acts";
import { describe, span } from "./words";

const act = (id: string, more: Partial<ModAct> = {}): ModAct => ({
  act_id: id,
  username: "owner",
  actor: "kasia",
  action: "timeout",
  target: "bob",
  reason: "",
  detail: { seconds: 600 },
  undoes: null,
  at: "2026-11-22T10:00:00Z",
  undo_until: "2026-11-22T10:00:10Z",
  ...more,
});
const log = (...acts: ModAct[]): LogPages => ({
  pages: [{ items: acts, next_cursor: null }],
  pageParams: [null],
});
const ids = (pages: LogPages | undefined) => pages?.pages.map((page) => page.items.map((one) => one.act_id));

group("the log", () => {
  it("grows at its top, each act once, and only by what was asked for", () => {
    const old = log(act("a"));
    expect(ids(withAct(old, act("b"), {}))).toEqual([["b", "a"]]);
    expect(withAct(old, act("a"), {})).toBe(old);
    expect(withAct(old, act("b"), { action: "ban" })).toBe(old);
    expect(withAct(undefined, act("b"), {})).toBeUndefined();
  });

  it("is asked by kind, by who did it and to whom, whatever the case", () => {
    expect(fits(act("a"), { actor: "Kasia", target: "BOB", action: "timeout" })).toBe(true);
    expect(fits(act("a"), { actor: "rosa" })).toBe(false);
    expect(fits(act("a", { target: null }), { target: "bob" })).toBe(false);
  });

  it("knows what was taken back", () => {
    const gone = takenBack([act("c", { undoes: "a", action: "undo" }), act("b"), act("a")]);
    expect([...gone]).toEqual(["a"]);
  });
});

it("an act is taken back by who did it, within its time, and once", () => {
  const at = Date.parse("2026-11-22T10:00:05Z");
  expect(mayUndo(act("a"), "kasia", at)).toBe(true);
  expect(mayUndo(act("a"), "rosa", at)).toBe(false);
  expect(mayUndo(act("a"), "kasia", at + 6_000)).toBe(false);
  expect(mayUndo(act("b", { undoes: "a", undo_until: null }), "kasia", at)).toBe(false);
});

it("who was faster is the newest other moderator on the same member or line", () => {
  const acts = [
    act("c", { actor: "me" }),
    act("b", { actor: "rosa", action: "delete", target: "eve", detail: { message_id: "m1" } }),
    act("a"),
  ];
  expect(fasterOne(acts, { action: "ban", member: "Bob" }, "me")).toBe("kasia");
  expect(fasterOne(acts, { action: "delete", message_id: "m1" }, "me")).toBe("rosa");
  expect(fasterOne(acts, { action: "delete", message_id: "m2" }, "me")).toBeNull();
  expect(fasterOne(acts, { action: "shield", on: true }, "me")).toBeNull();
});

it("a timeout is what the server takes, or none", () => {
  expect(timeoutOf("10", "minute")).toBe(600);
  expect(timeoutOf(" 1,5 ", "hour")).toBe(5_400);
  expect(timeoutOf("28", "day")).toBe(28 * 86_400);
  for (const wrong of ["", "0", "-1", "x", "1e9"]) expect(timeoutOf(wrong, "minute")).toBeNull();
  expect(timeoutOf("29", "day")).toBeNull();
});

it("only modes that differ have changed", () => {
  expect(modeChanges({ slow_s: 5 }, { slow_s: 5, followers_only_s: null })).toEqual([]);
  expect(modeChanges({}, { slow_s: 10, followers_only_s: 0, unique: true, links: "block" })).toEqual([
    { key: "slow", seconds: 10 },
    { key: "followers", seconds: 0 },
    { key: "unique", isOn: true },
    { key: "links", links: "block" },
  ]);
  expect(modeChanges({ slow_s: 10, emote_only: true }, {})).toEqual([
    { key: "slow", seconds: null },
    { key: "emote", isOn: false },
  ]);
});

group("words", () => {
  beforeAll(async () => {
    await startI18n();
    await i18next.changeLanguage("en");
  });
  const say = (more: Partial<ModAct>) => describe(i18next.t, "en", act("a", more));

  it("lengths are told in the largest unit that says them exactly", () => {
    expect(span(600, "en")).toBe("10 minutes");
    expect(span(86_400, "en")).toBe("1 day");
    expect(span(90, "en")).toBe("90 seconds");
    expect(span(3_600, "vi")).toBe("1 giờ");
  });

  it("each act is a sentence, also one this page has never heard of", () => {
    expect(say({})).toBe("bob timed out for 10 minutes");
    expect(say({ action: "clear", target: null })).toBe("all messages removed");
    expect(say({ action: "shield", detail: { after: { shield: false } } })).toBe("shield lowered");
    expect(say({ action: "undo", detail: { action: "ban" } })).toBe("taken back: Ban");
    const detail = { before: { slow_s: 0 }, after: { slow_s: 10, unique: true } };
    expect(say({ action: "modes", target: null, detail })).toBe("one message every 10 seconds; no repeats");
    expect(say({ action: "levitate" })).toBe("levitate bob");
  });
});
