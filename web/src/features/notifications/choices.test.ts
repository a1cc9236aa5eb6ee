import { expect, it } from "vitest";
import type { NotificationSettings } from "@/api/types";
import { isKnownKind, withChoice } from "./choices";

const settings: NotificationSettings = {
  types: [
    { type: "stream_online", in_app: true, is_fixed: false, push: true, mail: false },
    { type: "vod_ready", in_app: true, is_fixed: false, push: true, mail: false },
  ],
  mail: {
    is_offered: true,
    address: "a@b.example",
    is_confirmed: true,
    language: "en",
    digest: { every: "off", hour: 8, day: 1 },
  },
  time_zone: "UTC",
};

it("one choice changes and nothing else", () => {
  const changed = withChoice(settings, "vod_ready", "mail", true);
  expect(changed?.types.map((one) => [one.in_app, one.push, one.mail])).toEqual([
    [true, true, false],
    [true, true, true],
  ]);
  expect(changed?.mail).toEqual(settings.mail);
  expect(withChoice(undefined, "vod_ready", "mail", true)).toBeUndefined();
});

it("kinds of a newer server are left alone", () => {
  expect([isKnownKind("vod_ready"), isKnownKind("eclipse")]).toEqual([true, false]);
});
