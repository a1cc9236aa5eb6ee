import { describe, expect, it } from "vitest";
import { actsOn, STATES } from "./jobs";

describe("actsOn", () => {
  it("offers nothing for what runs or is done", () => {
    const idle = STATES.filter((state) => actsOn(state).length === 0);
    expect(idle).toEqual(["running", "done"]);
  });

  it("puts back only what failed or was cancelled", () => {
    const back = STATES.filter((state) => actsOn(state).includes("retry"));
    expect(back).toEqual(["failing", "dead", "cancelled"]);
  });
});
