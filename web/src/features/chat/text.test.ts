import { expect, it } from "vitest";
import { hueOf } from "./colour";
import { charCount, pieces } from "./text";

it("a line is split into words, links and mentions", () => {
  expect(
    pieces("hi @ana_1, see https://a.example/b?c=1. ok").map(({ kind, value }) => [kind, value]),
  ).toEqual([
    ["text", "hi "],
    ["mention", "@ana_1"],
    ["text", ", see "],
    ["link", "https://a.example/b?c=1"],
    ["text", ". ok"],
  ]);
});

it("only http addresses become links", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,x", "http://", "ftp://a.example"]) {
    expect(pieces(text).every((piece) => piece.kind === "text")).toBe(true);
  }
  expect(pieces("")).toEqual([]);
});

it("emotes are pictures of this site between colons, and nothing else is", () => {
  const known = { gg: "/emotes/gg.svg", evil: "//elsewhere.example/x.png" };
  const kinds = (text: string) => pieces(text, known).map(({ kind, value }) => [kind, value]);
  expect(kinds("a :gg: 10:30:gg:")).toEqual([
    ["text", "a "],
    ["emote", ":gg:"],
    ["text", " 10:30"],
    ["emote", ":gg:"],
  ]);
  expect(kinds(":evil: :toString:")).toEqual([["text", ":evil: :toString:"]]);
});

it("characters are counted as people count them, composed", () => {
  expect(charCount("  Tie\u0302\u0301ng Vie\u0323\u0302t ")).toBe(10);
  expect(charCount("👍")).toBe(1);
});

it("a name keeps its hue", () => {
  expect(hueOf("ana")).toBe(hueOf("ana"));
  expect(hueOf("ana")).not.toBe(hueOf("bo"));
  expect(hueOf("")).toBeLessThan(360);
});
