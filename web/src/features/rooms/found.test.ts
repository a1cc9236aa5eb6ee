import { expect, it } from "vitest";
import { isEnough, parts } from "./found";

const hits = (text: string, q: string) =>
  parts(text, q)
    .map(({ value, isHit }) => (isHit ? `[${value}]` : value))
    .join("");

it("marks words that begin with what is looked for, whatever their case and marks", () => {
  expect(hits("Đà Nẵng, đa tạ", "da nan")).toBe("[Đà] [Nẵn]g, [đa] tạ");
  expect(hits("Hello hello shell", "HEL")).toBe("[Hel]lo [hel]lo shell");
  expect(hits("e\u0301tude", "etu")).toBe("[e\u0301tu]de");
  expect(hits("cafe\u0301 x", "cafe")).toBe("[cafe\u0301] x");
  expect(hits("直播 live", "播")).toBe("直[播] live");
  expect(hits("🦀 crab 🦀", "cr")).toBe("🦀 [cr]ab 🦀");
});

it("the parts are the message, hit or not", () => {
  for (const text of ["", "nothing of it", "a (b) [c] .*", "e\u0301"]) {
    expect(
      parts(text, "b .*")
        .map(({ value }) => value)
        .join(""),
    ).toBe(text);
  }
});

it("a letter alone is not looked for", () => {
  expect([isEnough("a"), isEnough(" ... "), isEnough("ab"), isEnough("a bc"), isEnough("播")]).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});
