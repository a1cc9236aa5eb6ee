import { expect, it } from "vitest";
import { hiddenPanels, keepHidden, PANELS } from "./layout";

it("hidden panels are kept for each member, and only those there are", () => {
  expect(hiddenPanels("a")).toEqual(["filters", "moderators"]);
  keepHidden("a", ["log"]);
  expect(hiddenPanels("a")).toEqual(["log"]);
  expect(hiddenPanels("b")).toEqual(["filters", "moderators"]);
  keepHidden("a", []);
  expect(hiddenPanels("a")).toEqual([]);
  localStorage.setItem("rillcast.mod.a.hidden", "no-more,modes");
  expect(hiddenPanels("a")).toEqual(["modes"]);
  expect(new Set(PANELS).size).toBe(PANELS.length);
});
