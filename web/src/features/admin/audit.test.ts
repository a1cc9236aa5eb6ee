import { describe, expect, it } from "vitest";
import en from "@/i18n/en.json";
import vi from "@/i18n/vi.json";
import { ACTIONS, dayStart, ENTITY_TYPES, question } from "./audit";

describe("what is asked of the log", () => {
  it("has both days whole, where the reader is", () => {
    const { since, until } = question({ since: "2026-03-10", until: "2026-03-10" });
    expect(since).toBe(new Date(2026, 2, 10).toISOString());
    expect(until).toBe(new Date(2026, 2, 11).toISOString());
    expect(dayStart("2026-12-31", 1)).toBe(new Date(2027, 0, 1).toISOString());
  });

  it("leaves out what the API would refuse", () => {
    const asked = question({
      action: "user.praised",
      entity_type: "planet",
      since: "yesterday",
      actor: "mia",
    });
    expect(Object.entries(asked).filter(([, value]) => value !== undefined)).toEqual([["actor", "mia"]]);
  });
});

it("every act and kind of thing has a name in both languages", () => {
  for (const { admin } of [en, vi]) {
    const words = admin.audit;
    expect(Object.keys(words.action).sort()).toEqual(ACTIONS.map((one) => one.replace(".", "-")).sort());
    expect(Object.keys(words.type).sort()).toEqual([...ENTITY_TYPES].sort());
  }
});
