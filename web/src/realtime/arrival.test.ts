import { expect, it } from "vitest";
import { arrival, hostOf } from "./arrival";

it("only a host's name is told, and none of our own", () => {
  expect(hostOf("https://Blog.Example:8443/a/page?with=secrets#x", "tv.example")).toBe("blog.example");
  expect(hostOf("https://tv.example/c/alice", "tv.example")).toBeUndefined();
  expect(hostOf("android-app://com.example", "tv.example")).toBeUndefined();
  expect(hostOf("", "tv.example")).toBeUndefined();
});

it("a link led to the channel the page was opened with, and to no other", () => {
  const place = { path: "/embed/c/Alice", referrer: "https://blog.example/", host: "tv.example" };
  expect(arrival("Alice", place)).toEqual({ from: "embed", host: "blog.example" });
  expect(arrival("bob", { ...place, path: "/c/bob" })).toEqual({ from: "page" });
  expect(arrival("alice", { ...place, path: "/c/alice" })).toEqual({ from: "page", host: "blog.example" });
});
