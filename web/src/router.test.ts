import { QueryClient } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import { filter, newRouter } from "./router";

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
