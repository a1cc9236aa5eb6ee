import { beforeEach, describe, expect, it } from "vitest";
import type { Category } from "@/api/types";
import { searchSearch } from "@/router";
import { categoriesFor, fits, type SearchResults } from "./api";
import { moved, optionsOf } from "./options";
import { RECENT_MAX, readRecent, withRecent } from "./recent";

const category = (slug: string, name: string, tags: string[] = []): Category => ({
  slug,
  name,
  description: "",
  thumbnail_url: null,
  tags,
  position: 0,
});

describe("what was looked for before", () => {
  beforeEach(() => window.localStorage.clear());

  it("is the last few, the newest first, each once", () => {
    expect(withRecent(["piano", "Đà Nẵng"], "đà nẵng")).toEqual(["đà nẵng", "piano"]);
    const many = Array.from({ length: 20 }, (_, n) => `q${n}`).reduce<string[]>(withRecent, []);
    expect(many).toHaveLength(RECENT_MAX);
    expect(many[0]).toBe("q19");
  });

  it("is read whatever stands there", () => {
    expect(readRecent("nobody")).toEqual([]);
    for (const odd of ["{", "null", '"text"', "{}"]) {
      window.localStorage.setItem("rillcast.searches.odd", odd);
      expect(readRecent("odd")).toEqual([]);
    }
    window.localStorage.setItem(
      "rillcast.searches.odd",
      JSON.stringify(["a", 7, null, " ", "x".repeat(999), ..."bcdefghijk"]),
    );
    expect(readRecent("odd")).toEqual([..."abcdefgh"]);
  });
});

describe("what fits", () => {
  it("has all words, however they are typed", () => {
    expect(fits("Trò chuyện", "tro chu")).toBe(true);
    expect(fits("Trò chuyện", "chuyện trò")).toBe(true);
    expect(fits("Trò chuyện", "uyen")).toBe(false);
    expect(fits("Trò chuyện", "tro choi")).toBe(false);
    for (const none of ["", "  ", "&|"]) expect(fits("Trò chuyện", none)).toBe(false);
  });

  it("is a category by either name or a tag", () => {
    const all = [category("games", "Games", ["gaming"]), category("music", "Music")];
    const named = (one: Category) => (one.slug === "games" ? "Trò chơi" : "Âm nhạc");
    const found = (q: string) => categoriesFor(all, q, named).map((one) => one.slug);
    expect(found("tro choi")).toEqual(["games"]);
    expect(found("gaming")).toEqual(["games"]);
    expect(found("am")).toEqual(["music"]);
    expect(found("nothing")).toEqual([]);
  });
});

describe("what stands below the field", () => {
  const found: SearchResults = {
    channels: [
      {
        username: "linh",
        display_name: "Linh",
        avatar_url: null,
        bio: "",
        followers_count: 1,
        is_live: false,
      },
    ],
    vods: [],
    files: [],
    next_cursor: null,
    more: [],
  };
  const keys = (typed: string, recent: string[], answer: SearchResults | null = found) =>
    optionsOf(typed, recent, answer ?? undefined, [
      category("a", "Art"),
      category("b", "Bikes"),
      category("c", "Cars"),
    ]).map((one) => one.key);

  it("is what was looked for before, until something is typed", () => {
    expect(keys("", ["piano", "rust"])).toEqual(["recent:piano", "recent:rust"]);
    expect(keys("", [])).toEqual([]);
  });

  it("begins with the question itself, and has each thing once", () => {
    expect(keys("lin", ["Lin", "linh makes", "piano"])).toEqual([
      "query:lin",
      "recent:linh makes",
      "channel:linh",
      "category:a",
      "category:b",
    ]);
    expect(keys("lin", [], null)).toEqual(["query:lin", "category:a", "category:b"]);
  });

  it("is gone through by arrow keys, by way of the field", () => {
    expect([moved(-1, 1, 3), moved(2, 1, 3), moved(-1, -1, 3), moved(0, -1, 3)]).toEqual([0, -1, 2, -1]);
    expect([moved(-1, 1, 0), moved(-1, -1, 0)]).toEqual([-1, -1]);
  });
});

it("the page's address says what is looked for and of which kind", () => {
  expect(searchSearch({ q: " 8e56 ", of: "vod" })).toEqual({ q: "8e56", of: "vod" });
  expect(searchSearch({ q: 7, of: "user" })).toEqual({ q: "7" });
  expect(searchSearch({ q: "  " })).toEqual({});
});
