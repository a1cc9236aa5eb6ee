import { expect, it } from "vitest";
import { accept, complete } from "./complete";

const names = ["ana", "anh_tu", "bo"];

it("names, emotes and commands are offered for the word being written", () => {
  expect(complete("hi @an", 6, names)?.offers).toEqual(["@ana", "@anh_tu"]);
  expect(complete("@", 1, names)?.offers).toEqual(["@ana", "@anh_tu", "@bo"]);
  expect(complete("well :g", 7, names)?.offers).toEqual([":gg:"]);
  expect(complete("/an", 3, names)?.offers).toEqual(["/announce"]);
});

it("nothing is offered inside words, addresses and times", () => {
  for (const text of ["mail@an", "at 10:3", "and /an", ":", "hello", ""])
    expect(complete(text, text.length, names)).toBeNull();
});

it("an offer takes the place of what was written, and one goes on writing after it", () => {
  const text = "hi @an there";
  const found = complete(text, 6, names);
  expect(found && accept(text, found, "@ana")).toEqual({ text: "hi @ana there", caret: 8 });
});
