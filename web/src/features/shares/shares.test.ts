import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { shared } from "./api";
import { asField, endOf, SPANS, visitsOf } from "./expiry";

describe("the end of a link", () => {
  const now = Date.parse("2026-11-23T12:00:00Z");
  it("is one of a few spans from now", () => {
    expect(endOf("never", "", now)).toBeNull();
    expect(endOf("hour", "", now)).toBe("2026-11-23T13:00:00.000Z");
    expect(endOf("month", "", now)).toBe("2026-12-23T12:00:00.000Z");
    for (const span of SPANS.filter((one) => one !== "never" && one !== "own"))
      expect(Date.parse(endOf(span, "", now) ?? "")).toBeGreaterThan(now);
  });
  it("or a moment to come", () => {
    expect(endOf("own", "", now)).toBeUndefined();
    expect(endOf("own", "tomorrow", now)).toBeUndefined();
    expect(endOf("own", asField("2026-11-23T11:59:00Z"), now)).toBeUndefined();
    expect(endOf("own", asField("2026-11-23T12:01:00Z"), now)).toBe("2026-11-23T12:01:00.000Z");
    expect(asField(null)).toBe("");
  });
});

describe("how often it may be opened", () => {
  it.each([
    ["", null],
    [" 7 ", 7],
    ["0", undefined],
    ["1.5", undefined],
    ["-1", undefined],
    ["many", undefined],
    ["1000001", undefined],
  ])("%j: %s", (text, count) => expect(visitsOf(text)).toBe(count));
});

describe("a visit", () => {
  const asked: { what: string; body: unknown }[] = [];
  const answers: Record<string, () => Response> = {};
  const visit = (name: string) => Response.json({ visit: name, name: "x" });
  const refusal = (status: number, code: string) =>
    new Response(JSON.stringify({ code }), {
      status,
      headers: { "content-type": "application/problem+json" },
    });
  const client = new QueryClient();
  const look = () => client.fetchQuery({ ...shared("t0ken"), staleTime: 0, retry: false });
  const kept = new Map<string, string>();

  beforeEach(() => {
    asked.length = 0;
    kept.clear();
    client.clear();
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
      removeItem: (key: string) => kept.delete(key),
    });
    vi.stubGlobal("fetch", async (request: Request) => {
      const what = request.url.split("/").at(-1) ?? "";
      asked.push({ what, body: await request.json() });
      return answers[what]?.() ?? refusal(500, "internal");
    });
    answers.access = () => visit("first");
    answers.renew = () => visit("second");
  });
  afterEach(() => vi.unstubAllGlobals());

  it("opens the link once and goes on with what it was given", async () => {
    expect((await look()).visit).toBe("first");
    expect((await look()).visit).toBe("second");
    await look();
    expect(asked.map(({ what }) => what)).toEqual(["access", "renew", "renew"]);
    expect(asked[2]?.body).toEqual({ visit: "second" });
  });

  it("after a reload goes on too, and opens anew what is over", async () => {
    kept.set("rillcast.share.t0ken", "old");
    answers.renew = () => refusal(403, "share.over");
    expect((await look()).visit).toBe("first");
    expect(asked.map(({ what }) => what)).toEqual(["renew", "access"]);
  });

  it("after a reload is told what became of the link", async () => {
    kept.set("rillcast.share.t0ken", "old");
    answers.renew = () => refusal(410, "share.expired");
    await expect(look()).rejects.toMatchObject({ code: "share.expired" });
    expect(asked.map(({ what }) => what)).toEqual(["renew"]);
  });

  it("is not opened again behind the back of whoever has seen it", async () => {
    await look();
    answers.renew = () => refusal(410, "share.revoked");
    await expect(look()).rejects.toMatchObject({ code: "share.revoked" });
    expect(asked.filter(({ what }) => what === "access")).toHaveLength(1);
  });

  it("outlives a server that is away", async () => {
    await look();
    answers.renew = () => refusal(503, "database.unavailable");
    await expect(look()).rejects.toMatchObject({ status: 503 });
    expect(kept.get("rillcast.share.t0ken")).toBe("first");
  });
});
