import { describe, expect, it } from "vitest";
import { parseTime, readPlaces, resumeStore, unfinished, withoutPlace, withPlace } from "./resume";

const place = (at: number, when = 1, duration = 600) => ({ at, duration, when });

describe("a place", () => {
  it("is kept between the beginning and the end", () => {
    expect(withPlace({}, "a", place(120))).toEqual({ a: place(120) });
    expect(withPlace({ a: place(120) }, "a", place(4))).toEqual({});
    expect(withPlace({ a: place(120) }, "a", place(590))).toEqual({});
    expect(withPlace({ a: place(120) }, "a", place(3_520, 1, 3_600))).toEqual({});
  });

  it("that is no number changes nothing", () => {
    const before = { a: place(120) };
    expect(withPlace(before, "a", place(Number.NaN))).toBe(before);
    expect(withPlace(before, "a", place(100, 1, 0))).toBe(before);
    expect(withPlace(before, "a", place(100, 1, Number.POSITIVE_INFINITY))).toBe(before);
  });

  it("is one of a hundred at most: the oldest are forgotten", () => {
    let places = {};
    for (let i = 0; i < 130; i += 1) places = withPlace(places, `v${i}`, place(60, i));
    expect(Object.keys(places)).toHaveLength(100);
    expect(unfinished(places, 3)).toEqual(["v129", "v128", "v127"]);
    expect(places).not.toHaveProperty("v29");
  });

  it("can be taken back", () => {
    expect(withoutPlace({ a: place(60), b: place(70) }, "a")).toEqual({ b: place(70) });
  });

  it("belongs to one account", () => {
    resumeStore.keep("u1", "a", place(60));
    expect(resumeStore.all("u1")).toEqual({ a: place(60) });
    expect(resumeStore.all(null)).toEqual({});
    resumeStore.forget("u1", "a");
    expect(resumeStore.all("u1")).toEqual({});
  });

  it("survives what others wrote into the storage", () => {
    expect(readPlaces(null)).toEqual({});
    expect(readPlaces("no json")).toEqual({});
    expect(readPlaces('{"a":{"at":"1"},"b":{"at":1,"duration":2,"when":3},"c":null}')).toEqual({
      b: { at: 1, duration: 2, when: 3 },
    });
  });
});

describe("a time in an address", () => {
  it.each([
    ["1h2m3s", 3723],
    ["90s", 90],
    ["90", 90],
    ["2m", 120],
    ["1h", 3600],
    ["12.5", 12.5],
    ["", null],
    ["soon", null],
    ["-5", null],
    [undefined, null],
  ])("%s", (text, seconds) => {
    expect(parseTime(text)).toBe(seconds);
  });
});
