import { expect, it } from "vitest";
import { asksMore, codesFile, grouped, type Login, pictureUrl } from "./twoFactor";

it("a secret is shown in groups, and a copy of it has none", () => {
  expect(grouped("GEZDGNBVGY3TQOJQ")).toBe("GEZD GNBV GY3T QOJQ");
  expect(grouped("ABCDE")).toBe("ABCD E");
  expect(grouped("")).toBe("");
});

it("a picture is a whole address, whatever characters it has", () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><path fill="#000" d="M0 0h1"/></svg>';
  const url = pictureUrl(svg);
  expect(url).not.toMatch(/[#"<> ]/);
  expect(decodeURIComponent(url.slice("data:image/svg+xml,".length))).toBe(svg);
});

it("codes are kept one a line, under what they are for", () => {
  expect(codesFile("tv.example", "alice", ["aaaa-bbbb-cccc", "dddd-eeee-ffff"])).toBe(
    "tv.example · alice\n\naaaa-bbbb-cccc\ndddd-eeee-ffff\n",
  );
});

it("a sign-in that owes a code is told from one that is done", () => {
  expect(asksMore({ second_step_token: "x", expires_in: 300 })).toBe(true);
  expect(asksMore({ access_token: "x", expires_in: 900, user: {} } as Login)).toBe(false);
});
