import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { hiddenPanels, keepHidden, PANELS, sizesOf, takeLayout } from "./layout";

const { put } = vi.hoisted(() => ({ put: vi.fn() }));
vi.mock("@/api/client", () => ({
  api: { PUT: (...call: unknown[]) => put(...call) },
  unwrap: (answer: unknown) => Promise.resolve(answer),
}));

beforeEach(() => {
  vi.useFakeTimers();
  put.mockReset();
});
afterEach(() => vi.useRealTimers());

it("hidden panels are kept for each member, and only those there are", () => {
  const first = ["requests", "filters", "moderators"];
  expect(hiddenPanels("a")).toEqual(first);
  keepHidden("a", ["log"]);
  expect(hiddenPanels("a")).toEqual(["log"]);
  expect(hiddenPanels("b")).toEqual(first);
  keepHidden("a", []);
  expect(hiddenPanels("a")).toEqual([]);
  localStorage.setItem("rillcast.mod.a.hidden", "no-more,modes");
  expect(hiddenPanels("a")).toEqual(["modes"]);
  expect(new Set(PANELS).size).toBe(PANELS.length);
});

it("the server hears the end of what was dragged, sizes and hidden panels together", async () => {
  keepHidden("c", ["log"]);
  const sizes = sizesOf("c");
  for (const held of [20, 30, 40]) sizes.setItem("g", JSON.stringify({ held, log: 100 - held }));
  expect(sizes.getItem("g")).toBe('{"held":40,"log":60}');
  expect(sizes.getItem("h")).toBeNull();
  expect(put).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(put).toHaveBeenCalledExactlyOnceWith("/api/v1/me/mod-layout", {
    body: { hidden: ["log"], sizes: { g: { held: 40, log: 60 } } },
  });
});

it("only so many sets of sizes are kept, those that were used last", () => {
  const sizes = sizesOf("d");
  for (let n = 0; n < 50; n += 1) sizes.setItem(`g${n}`, "{}");
  sizes.setItem("g20", '{"log":100}');
  vi.advanceTimersByTime(1_000);
  const sent = put.mock.calls[0]?.[1].body.sizes;
  expect(Object.keys(sent)).toHaveLength(40);
  expect(Object.keys(sent).at(-1)).toBe("g20");
});

it("a change the server has not heard of is newer than what it keeps", async () => {
  keepHidden("f", ["log"]);
  put.mockRejectedValueOnce(new Error("away"));
  await vi.advanceTimersByTimeAsync(1_000);
  takeLayout("f", { hidden: ["held"], sizes: {} });
  expect(hiddenPanels("f")).toEqual(["log"]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(put).toHaveBeenCalledTimes(2);
  takeLayout("f", { hidden: ["held"], sizes: {} });
  expect(hiddenPanels("f")).toEqual(["held"]);
});

it("what the server keeps wins over this browser, and nothing leaves it as it is", async () => {
  keepHidden("e", ["log"]);
  await vi.advanceTimersByTimeAsync(1_000);
  takeLayout("e", null);
  expect(hiddenPanels("e")).toEqual(["log"]);
  takeLayout("e", { hidden: ["held", "gone"], sizes: { g: { log: 100 } } });
  expect(hiddenPanels("e")).toEqual(["held"]);
  expect(sizesOf("e").getItem("g")).toBe('{"log":100}');
  localStorage.setItem("rillcast.mod.e.sizes", "{broken");
  expect(sizesOf("e").getItem("g")).toBeNull();
});
