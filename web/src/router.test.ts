import { QueryClient } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import { filter, newRouter, popOutSearch } from "./router";

const { parseSearch, stringifySearch } = newRouter(new QueryClient()).options;

describe("what is searched for", () => {
  it.each(["8e56", "true", "null", "007", '{"a":1}', '"quoted"', "cầu lông", "a+b & c"])(
    "stays the word that was typed: %s",
    (q) => {
      expect(filter(parseSearch?.(stringifySearch?.({ q }) ?? "") ?? {})).toEqual({ q });
    },
  );

  it("is read from an address typed by hand", () => {
    expect(parseSearch?.("?q=8e56&category=music")).toEqual({ q: "8e56", category: "music" });
  });
});

describe("a chat in a window of its own", () => {
  const read = (query: string) => popOutSearch(parseSearch?.(query) ?? {});
  it("is laid over a picture, as large as the address says", () => {
    expect(read("?transparent=1&font=28")).toEqual({ transparent: true, font: 28 });
    expect(read("?transparent=true")).toEqual({ transparent: true });
    expect(read("?stream=01a0")).toEqual({ stream: "01a0" });
  });
  it("takes no size nobody could read or fit, and no other words", () => {
    for (const query of ["", "?transparent=0&font=0", "?font=9000", "?font=-3", "?font=big", "?transparent="])
      expect(read(query)).toEqual({});
  });
});
