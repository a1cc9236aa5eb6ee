import { expect, it } from "vitest";
import { bytes, deviceLabel } from "./push";

it("a key is read as the server writes it", () => {
  expect([...bytes("-_8AAQ")]).toEqual([0xfb, 0xff, 0, 1]);
});

it("browsers are called what their owners call them", () => {
  const linux = "Mozilla/5.0 (X11; Linux x86_64)";
  expect(deviceLabel(`${linux} AppleWebKit/537.36 Chrome/140.0 Safari/537.36`)).toBe("Chrome, Linux");
  expect(
    deviceLabel("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"),
  ).toBe("Edge, Windows");
  expect(deviceLabel("Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0")).toBe(
    "Firefox, Android",
  );
  expect(
    deviceLabel("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"),
  ).toBe("Safari, iOS");
  expect(deviceLabel("")).toBe("Browser");
});
