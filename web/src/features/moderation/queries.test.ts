import { QueryClient } from "@tanstack/react-query";
import { expect, it } from "vitest";
import type { HeldLine, ModAct } from "@/api/types";
import type { LogPages } from "./acts";
import { logKey } from "./keys";
import { heard, heldCame, heldGone, heldLines, sanctions, staleBy } from "./queries";

const act = (more: Partial<ModAct>): ModAct => ({
  act_id: "a",
  username: "owner",
  actor: "kasia",
  action: "ban",
  target: "bob",
  reason: "",
  detail: null,
  undoes: null,
  at: "2026-11-22T10:00:00Z",
  undo_until: null,
  ...more,
});

it("an act makes stale what it changes, and so does taking it back", () => {
  expect(staleBy(act({}))).toContain("sanctions");
  expect(staleBy(act({ action: "undo", detail: { action: "ban" }, undoes: "b" }))).toContain("sanctions");
  expect(staleBy(act({ action: "filter_add", target: null }))).toEqual(["filters"]);
  expect(staleBy(act({ action: "unmod" }))).toContain("moderators");
  expect(staleBy(act({ action: "modes", target: null }))).toEqual([]);
  expect(staleBy(act({ action: "report_dismiss" }))).toEqual(["reports"]);
  expect(staleBy(act({ action: "request_deny" }))).toContain("requests");
  // A ban that is put back has its request waiting again.
  expect(staleBy(act({ action: "undo", detail: { action: "unban" } }))).toContain("requests");
});

it("an act that is heard of stands in every list that asked for it", () => {
  const client = new QueryClient();
  const empty: LogPages = { pages: [{ items: [], next_cursor: null }], pageParams: [null] };
  const all = [...logKey("owner"), {}];
  const warnings = [...logKey("owner"), { action: "warn" }];
  const elsewhere = [...logKey("other"), {}];
  for (const key of [all, warnings, elsewhere]) client.setQueryData(key, empty);
  client.setQueryData(sanctions("owner").queryKey, { pages: [], pageParams: [] });
  heard(client, "owner", act({}));
  const count = (key: unknown[]) => client.getQueryData<LogPages>(key)?.pages[0]?.items.length;
  expect([count(all), count(warnings), count(elsewhere)]).toEqual([1, 0, 0]);
  expect(client.getQueryState(sanctions("owner").queryKey)?.isInvalidated).toBe(true);
});

it("a line waits once, until it is gone", () => {
  const client = new QueryClient();
  const line = { id: "h", username: "owner" } as HeldLine;
  const key = heldLines("owner").queryKey;
  heldCame(client, "owner", line);
  expect(client.getQueryData(key)).toBeUndefined();
  client.setQueryData(key, { items: [] });
  heldCame(client, "owner", line);
  heldCame(client, "owner", line);
  expect(client.getQueryData(key)?.items).toEqual([line]);
  heldGone(client, "owner", "h");
  expect(client.getQueryData(key)?.items).toEqual([]);
});
