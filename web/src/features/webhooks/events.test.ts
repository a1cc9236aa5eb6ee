import { describe, expect, it } from "vitest";
import { EVENTS, healthOf, hostOf, isSettling, pretty, toKeep } from "./events";

describe("webhooks", () => {
  it("keeps everything as an empty list, so that later events come too", () => {
    expect(toKeep(new Set(EVENTS), true)).toEqual([]);
    expect(toKeep(new Set(["vod.ready", "stream.online"]), false)).toEqual(["stream.online", "vod.ready"]);
  });

  it("says how an endpoint does", () => {
    const base = { is_enabled: true, disabled_because: null, failing_since: null };
    expect(healthOf(base)).toBe("on");
    expect(healthOf({ ...base, failing_since: "2026-11-22T10:00:00Z" })).toBe("failing");
    expect(healthOf({ ...base, is_enabled: false })).toBe("off");
    expect(healthOf({ ...base, is_enabled: false, disabled_because: "gone" })).toBe("gone");
    expect(healthOf({ ...base, is_enabled: false, disabled_because: "failing" })).toBe("failed");
  });

  it("watches a message only while something happens to it", () => {
    const now = Date.parse("2026-11-22T10:00:00Z");
    expect(isSettling({ state: "waiting", next_at: "2026-11-22T10:00:05Z" }, now)).toBe(true);
    expect(isSettling({ state: "waiting", next_at: "2026-11-22T10:30:00Z" }, now)).toBe(false);
    expect(isSettling({ state: "delivered", next_at: null }, now)).toBe(false);
  });

  it("shows what it cannot read as it came", () => {
    expect(hostOf("https://a.example:8443/x?y")).toBe("a.example:8443");
    expect(hostOf("nonsense")).toBe("nonsense");
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty("<html>")).toBe("<html>");
  });
});
