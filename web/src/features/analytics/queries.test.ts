import { afterEach, expect, it, vi } from "vitest";
import { rangeCsv } from "./queries";

afterEach(() => vi.unstubAllGlobals());

it("a table is asked for by its days alone, whatever else the range carries", async () => {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    asked.push(new URL(request.url).search);
    return new Response("date\r\n", { headers: { "content-type": "text/csv" } });
  });
  const period = {
    from: "2026-02-01",
    to: "2026-02-07",
    days: [{ date: "2026-02-01" }],
    totals: { streams: 1 },
  };
  expect(await rangeCsv(period, "days")).toBe("date\r\n");
  expect(asked).toEqual(["?from=2026-02-01&to=2026-02-07&table=days&format=csv"]);
});
