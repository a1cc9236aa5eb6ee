import { expect, test } from "vitest";
import en from "@/i18n/en.json";
import vi from "@/i18n/vi.json";
import { IMPORT_FAILS, importFail, isChanging, isUnplayable } from "./making";

test("a reason is known by its code, and other reasons are not taken for one", () => {
  expect(importFail("import.too-long")).toBe("too-long");
  expect(importFail("import.of-tomorrow")).toBeNull();
  expect(importFail("its media is gone from the storage")).toBeNull();
  expect(importFail(null)).toBeNull();
});

test("every reason has words in both languages", () => {
  for (const fail of IMPORT_FAILS) {
    expect(en.making.fail[fail], fail).toBeTruthy();
    expect(vi.making.fail[fail], fail).toBeTruthy();
  }
});

test("what is being made is asked about again, and what is settled is not", () => {
  expect(isChanging({ status: "processing", may_retry: false, progress: 12 })).toBe(true);
  expect(isChanging({ status: "ready", may_retry: false, progress: 60 })).toBe(true);
  expect(isChanging({ status: "failed", may_retry: false })).toBe(true);
  expect(isChanging({ status: "failed", may_retry: true })).toBe(false);
  expect(isChanging({ status: "ready" })).toBe(false);
  expect([isUnplayable({ status: "processing" }), isUnplayable({ status: "recording" })]).toEqual([
    true,
    false,
  ]);
});
