import { expect, it } from "vitest";
import { browserZone, clockHour, DAYS, dayName, zones } from "./times";

it("weeks begin on Monday, by any language's name", () => {
  expect(DAYS.map((day) => dayName(day, "en"))).toEqual([
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
  ]);
  expect(dayName(1, "vi")).toBe("Thứ Hai");
});

it("hours are written as the language does", () => {
  expect([clockHour(0, "vi"), clockHour(23, "vi")]).toEqual(["00:00", "23:00"]);
  expect(clockHour(20, "en").replace(/\s/u, " ")).toBe("8:00 PM");
});

it("the zone that is chosen is in the list once, whatever the browser knows", () => {
  const list = zones("Mars/Olympus_Mons");
  expect(list.filter((zone) => zone === "Mars/Olympus_Mons")).toHaveLength(1);
  expect(list.filter((zone) => zone === "UTC")).toHaveLength(1);
  expect(list).toContain("Europe/Berlin");
  expect(list).toContain(browserZone());
  // The server takes names of places only.
  expect(list.every((zone) => zone === "UTC" || zone.includes("/"))).toBe(true);
});
