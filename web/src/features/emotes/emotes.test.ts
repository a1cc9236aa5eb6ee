import { describe, expect, it } from "vitest";
import { type Emote, emoteUrl, nameFault, nameOf, sharper } from "./emotes";

const own: Emote[] = [
  {
    id: "01a20391-8a29-73f9-bbd3-fcaedef962d4",
    name: "my_cat",
    url: "/media/emotes/01a20391-8a29-73f9-bbd3-fcaedef962d4/56.webp",
    created_at: "2026-11-22T12:00:00Z",
  },
];

describe("a name", () => {
  it.each([
    ["my_dog", null],
    ["7up", null],
    ["a", "name_short"],
    ["My", "name_chars"],
    ["mèo", "name_chars"],
    ["a".repeat(25), "name_chars"],
    ["12", "name_digits"],
    ["gg", "name_everybodys"],
    ["my_cat", "name_taken"],
  ])("%s: %s", (name, fault) => expect(nameFault(name, own)).toBe(fault));
  it("may stay what it is", () => expect(nameFault("my_cat", own, own[0]?.id)).toBeNull());
  it.each([
    ["Happy Cat!.png", "happy_cat"],
    ["Đà Nẵng.webp", "da_nang"],
    ["mèo mướp.gif", "meo_muop"],
    ["___.png", ""],
    [`${"long".repeat(20)}.png`, "long".repeat(6)],
  ])("is made of a file's: %s", (file, name) => expect(nameOf(file)).toBe(name));
});

describe("a picture", () => {
  it("is everybody's or the channel's", () => {
    expect(emoteUrl("gg", own)).toBe("/emotes/gg.svg");
    expect(emoteUrl("my_cat", own)).toBe(own[0]?.url);
    expect(emoteUrl("nothing", own)).toBeUndefined();
  });
  it("is sharper where the screen is, and only from its own folder", () => {
    expect(sharper(own[0]?.url ?? "")).toMatch(/56\.webp 1x, \/media.*112\.webp 2x$/);
    expect(sharper("/emotes/gg.svg")).toBeUndefined();
    expect(sharper("https://elsewhere.example/media/emotes/x/56.webp")).toBeUndefined();
  });
});
