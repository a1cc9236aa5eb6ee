import i18next from "i18next";
import { expect, it } from "vitest";
import { ApiError } from "@/api/errors";
import { pickLanguage, startI18n } from ".";
import en from "./en.json";
import { errorText } from "./errorText";
import vi from "./vi.json";

type Node = { [key: string]: string | Node };
const keys = (node: Node, path = ""): string[] =>
  Object.entries(node).flatMap(([key, value]) =>
    typeof value === "string" ? [path + key] : keys(value, `${path}${key}.`),
  );
/** Languages need different plural forms; the keys below them are the same. */
const stems = (node: Node) => [...new Set(keys(node).map((key) => key.replace(/_(one|other)$/, "")))].sort();

it("English and Vietnamese have identical keys", () => {
  expect(stems(vi)).toEqual(stems(en));
});

it("the stored choice wins, then what the browser asks for, then English", () => {
  expect(pickLanguage("vi", ["en-US"])).toBe("vi");
  expect(pickLanguage(null, ["fr-FR", "vi-VN", "en"])).toBe("vi");
  expect(pickLanguage("xx", ["fr"])).toBe("en");
});

it("refusals are explained by code, then by status, then by the server's words", async () => {
  await startI18n();
  await i18next.changeLanguage("en");
  const say = (init: ConstructorParameters<typeof ApiError>[0]) => errorText(i18next.t, new ApiError(init));
  expect(say({ status: 409, code: "vod.not-yours" })).toBe("This recording is not yours.");
  expect(say({ status: 400, code: "chat.slow", retryAfterS: 2.2 })).toBe("Slow mode: wait 3 s.");
  expect(say({ status: 429, code: "x", retryAfterS: 9 })).toBe("Too many attempts. Try again in 9 s.");
  expect(say({ status: 403, code: "never.heard" })).toBe("You are not allowed to do that.");
  expect(say({ status: 422, code: "never.heard", detail: "the tag is odd" })).toBe("the tag is odd");
  expect(errorText(i18next.t, new TypeError("failed to fetch"))).toContain("cannot be reached");
});
