import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import en from "@/i18n/en.json";
import vi from "@/i18n/vi.json";
import { asFolder, crumbs, nameFault, parentOf, tagsOf } from "./paths";
import { choose, chooseAll, NONE, still } from "./select";
import { FAILURES, stateText } from "./words";

describe("folders", () => {
  it("are the same however they are written", () => {
    for (const path of ["a/b", "/a/b", "/a/b/", "//a//b", "/a/./b/"]) expect(asFolder(path)).toBe("/a/b/");
    for (const path of [undefined, "", "/", "..", "//"]) expect(asFolder(path)).toBe("/");
  });

  it("have a way back", () => {
    expect(crumbs("/a/b c/")).toEqual([
      { name: "a", path: "/a/" },
      { name: "b c", path: "/a/b c/" },
    ]);
    expect(crumbs("/")).toEqual([]);
    expect(parentOf("/a/b/")).toBe("/a/");
    expect(parentOf("/a/")).toBe("/");
  });

  it("and files have names that lead nowhere else", () => {
    expect(nameFault(" ")).toBe("empty");
    expect(nameFault("..")).toBe("empty");
    expect(nameFault("a/b")).toBe("letters");
    expect(nameFault("a\\b")).toBe("letters");
    expect(nameFault("a\nb")).toBe("letters");
    expect(nameFault("ệ".repeat(255))).toBeNull();
    expect(nameFault("ệ".repeat(256))).toBe("long");
  });

  it("tags are words between commas, each once", () => {
    expect(tagsOf(" B, a,b ,, Ảnh")).toEqual(["a", "b", "ảnh"]);
  });
});

describe("a selection", () => {
  const order = ["a", "b", "c", "d"];
  const on = { isOn: true, isRange: false };

  it("takes one, and all from there with shift", () => {
    const first = choose(NONE, order, "b", on);
    const range = choose(first, order, "d", { isOn: true, isRange: true });
    expect([...range.keys]).toEqual(["b", "c", "d"]);
    expect(range.anchor).toBe("b");
    const back = choose(range, order, "a", { isOn: true, isRange: true });
    expect(new Set(back.keys)).toEqual(new Set(order));
    expect([...choose(range, order, "c", { isOn: false, isRange: false }).keys]).toEqual(["b", "d"]);
  });

  it("loses what is not there any more, and stays itself otherwise", () => {
    const all = chooseAll(order);
    expect(still(all, order)).toBe(all);
    expect([...still(all, ["b", "x"]).keys]).toEqual(["b"]);
  });
});

describe("what is said of a file", () => {
  beforeAll(async () => {
    await i18next.init({ lng: "en", resources: { en: { translation: en }, vi: { translation: vi } } });
  });
  /** As the server writes them. */
  const CODES = [
    "file.not-what-it-says",
    "file.too-many-pixels",
    "file.infected",
    "file.unscannable",
    "file.full",
    "file.expired",
    "file.internal",
  ];

  it.each(["en", "vi"] as const)("is a sentence of its own for each failure, in %s", (lang) => {
    const words = (lang === "en" ? en : vi).files.fail;
    expect(Object.keys(words).sort()).toEqual([...FAILURES].sort());
    const t = i18next.getFixedT(lang);
    const said = CODES.map((fail_code) => stateText(t, { state: "failed", progress: 0, fail_code }));
    expect(new Set(said).size).toBe(CODES.length);
    for (const one of said) expect(one).toMatch(/\.$/);
  });

  it("is something for a failure nobody knows, and nothing for a file that is well", () => {
    const t = i18next.getFixedT("en");
    const of = (state: "failed" | "completed" | "processing", fail_code: string | null = null) =>
      stateText(t, { state, progress: 42, fail_code });
    expect(of("failed", "file.from-the-future")).toBe(en.files.fail.internal);
    expect(of("completed")).toBeNull();
    expect(of("processing")).toBe("Processing: 42 %");
  });

  it("has words for every refusal of the API in both languages", () => {
    const codes = Object.keys(en.errors.code).filter((code) => code.startsWith("file_"));
    expect(codes.length).toBeGreaterThanOrEqual(18);
    for (const code of codes) expect(vi.errors.code).toHaveProperty(code);
  });
});
