import type { TFunction } from "i18next";
import { describe, expect, it } from "vitest";
import { called, described, nameOf } from "./devices";

const t = ((key: string, blanks?: object) => `${key}${blanks ? JSON.stringify(blanks) : ""}`) as TFunction;

describe("devices", () => {
  it("are described with as much as they tell", () => {
    const phone = { kind: "phone", system: "Android", browser: "Firefox" } as const;
    expect(described(t, phone)).toBe('devices.browser_on{"browser":"Firefox","system":"Android"}');
    expect(described(t, { ...phone, system: null })).toBe("Firefox");
    expect(described(t, { ...phone, browser: null })).toBe("Android");
    expect(described(t, { kind: "unknown", system: null, browser: null })).toBe("devices.kind.unknown");
  });

  it("go by the name their member gave them", () => {
    const script = { kind: "program", system: null, browser: "curl" } as const;
    expect(called(t, { ...script, name: null })).toBe("curl");
    expect(called(t, { ...script, name: "Backup" })).toBe("Backup");
  });

  it("lose their name when nothing is typed", () => {
    expect(nameOf("  Living room ")).toBe("Living room");
    expect(nameOf("   ")).toBeNull();
  });
});
