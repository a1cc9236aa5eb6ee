import { describe, expect, it } from "vitest";
import type { RoomAttachment, RoomMessage } from "@/api/types";
import { boxOf, type Going, isSendable, named, refusalOf, settled, step } from "./attach";

const file = (name: string, type: string, size = 3) => new File(["x".repeat(size)], name, { type });
const attachment = (more: Partial<RoomAttachment> = {}): RoomAttachment => ({
  id: "a",
  name: "cat.jpg",
  type: "image",
  mime: "image/jpeg",
  bytes: 3,
  state: "ready",
  ...more,
});

describe("before anything is sent", () => {
  const limits = { bytes_max: 10, images_only: true };
  it("says what the server would say", () => {
    const code = (type: string, size: number, more = {}) =>
      refusalOf({ type, size }, { ...limits, ...more })?.code;
    expect(code("image/png", 10)).toBeUndefined();
    expect(code("image/png", 11)).toBe("attachment.too-large");
    expect(code("image/png", 0)).toBe("attachment.empty");
    expect(code("application/pdf", 5)).toBe("attachment.images-only");
    expect(code("image/svg+xml", 5)).toBe("attachment.images-only");
    expect(code("application/pdf", 5, { images_only: false })).toBeUndefined();
  });
  it("gives a picture the ending of its type, and leaves the others alone", () => {
    expect(named(file("", "image/png")).name).toBe("picture.png");
    expect(named(file("IMG.HEIC", "image/jpeg")).name).toBe("IMG.jpg");
    expect(named(file("a.JPEG", "image/jpeg")).name).toBe("a.JPEG");
    expect(named(file("a.b", "application/pdf")).name).toBe("a.b");
  });
});

describe("on its way", () => {
  const begun = step(null, { type: "begin", run: 2, file: file("a.png", "image/png") }) as Going;
  it("hears of its own run only", () => {
    expect(step(begun, { type: "progress", run: 1, share: 0.5 })).toBe(begun);
    expect(step(begun, { type: "failed", run: 1, error: "late" })).toBe(begun);
    expect(step(begun, { type: "progress", run: 2, share: 7 })?.share).toBe(1);
    expect(step(null, { type: "done", run: 2, attachment: attachment() })).toBeNull();
    expect(step(begun, { type: "end" })).toBeNull();
  });
  it("goes out once the server has it and nothing was found in it", () => {
    const done = step(begun, { type: "done", run: 2, attachment: attachment({ state: "checking" }) });
    expect([isSendable(null), isSendable(begun), isSendable(done)]).toEqual([false, false, true]);
    const other = step(done, { type: "changed", attachment: attachment({ id: "b", state: "infected" }) });
    expect(other).toBe(done);
    const found = step(done, { type: "changed", attachment: attachment({ state: "infected" }) });
    expect([found?.done?.state, isSendable(found)]).toEqual(["infected", false]);
  });
});

it("one message's attachment changes, and no other's", () => {
  const message = (id: string) => ({ id, attachment: attachment({ state: "checking" }) }) as RoomMessage;
  const items = settled([message("1"), message("2")], "2", attachment());
  expect(items.map((one) => one.attachment?.state)).toEqual(["checking", "ready"]);
  expect(settled(items, null, attachment({ state: "failed" }))).toEqual(items);
});

it("a picture keeps its shape and never grows", () => {
  expect(boxOf({ width: 1600, height: 800 }, 320)).toEqual({ width: 320, height: 160 });
  expect(boxOf({ width: 100, height: 60 }, 320)).toEqual({ width: 100, height: 60 });
  expect(boxOf({ width: 4000, height: 10 }, 320)).toEqual({ width: 320, height: 48 });
});
