// How far a recording is that is made from a file, and why one is not.
import type { Vod } from "@/api/types";

export const IMPORT_FAILS = [
  "unreadable",
  "truncated",
  "empty",
  "codec",
  "format-changes",
  "edit-list",
  "interleaving",
  "too-long",
  "too-many-tracks",
  "too-large",
  "crashed",
  "too-slow",
  "source-gone",
  "gave-up",
  "cancelled",
] as const;
export type ImportFail = (typeof IMPORT_FAILS)[number];

/** The reason a file did not become a recording, if that is what its fail_reason is. */
export function importFail(reason: string | null | undefined): ImportFail | null {
  const name = reason?.startsWith("import.") ? reason.slice("import.".length) : null;
  return IMPORT_FAILS.find((fail) => fail === name) ?? null;
}

/** Nothing of it can be played, now or ever. */
export function isUnplayable(vod: Pick<Vod, "status">): boolean {
  return vod.status === "failed" || vod.status === "processing";
}

/** Whether it will soon be otherwise, and is worth being asked about again. */
export function isChanging(vod: Pick<Vod, "status" | "may_retry" | "progress">): boolean {
  // One that failed cannot be tried again before what was stored of it is gone: that takes a moment.
  const isTidiedUp = vod.status === "failed" && vod.may_retry === false;
  return vod.status === "processing" || isTidiedUp || vod.progress != null;
}
