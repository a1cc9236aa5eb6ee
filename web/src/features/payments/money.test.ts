import { describe, expect, it } from "vitest";
import { minorOf, money, typed } from "./money";

describe("amounts", () => {
  it("are written with their currency", () => {
    expect(money(49_000, "VND", 0, "en").replace(/\s/g, " ")).toBe("₫49,000");
    expect(money(1_250, "EUR", 2, "en")).toBe("€12.50");
    expect(typed(1_250, 2)).toBe("12.50");
    expect(typed(49_000, 0)).toBe("49000");
  });

  it("are read as people write them", () => {
    expect(minorOf("49.000", 0)).toBe(49_000);
    expect(minorOf(" 49 000 ", 0)).toBe(49_000);
    expect(minorOf("12,50", 2)).toBe(1_250);
    expect(minorOf("1.234.50", 2)).toBe(123_450);
    expect(minorOf("1.250", 2)).toBe(125_000);
    expect(minorOf("12", 2)).toBe(1_200);
  });

  it("are nothing where there is no amount", () => {
    for (const text of ["", "much", "-5", "1e9", "9".repeat(30)]) expect(minorOf(text, 0)).toBeNull();
  });
});
