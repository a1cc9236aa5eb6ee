import { describe, expect, it } from "vitest";
import { ApiError } from "@/api/errors";
import type { FileLimits, StoredFile, Unfinished } from "@/features/files/api";
import { countOf, missing, partUrl, rangeOf, refusalOf, unfinishedOf } from "./parts";
import { alike, bytesAhead, type Item, isUnderWay, newItem, type Phase, share, step, toBegin } from "./queue";
import { measured, type Sample, secondsLeft, speed } from "./speed";

const MIB = 1 << 20;
const fileOf = (name: string, size = 3) => new File(["x".repeat(size)], name, { lastModified: 1_000 });
const inPhase = (id: string, phase: Phase, more: Partial<Item> = {}): Item => ({
  ...newItem(id, fileOf(id, 100), "/"),
  phase,
  ...more,
});

describe("parts", () => {
  it("cover a file, the last with what is left", () => {
    expect(countOf(12 * MIB, 5 * MIB)).toBe(3);
    expect(countOf(10 * MIB, 5 * MIB)).toBe(2);
    expect(countOf(1, 5 * MIB)).toBe(1);
    expect(rangeOf(1, 5, 12)).toEqual({ from: 0, to: 5 });
    expect(rangeOf(3, 5, 12)).toEqual({ from: 10, to: 12 });
  });

  it("that are there are not sent again, and others in order", () => {
    const urls = [4, 2, 1, 3, 9].map((part_number) => ({ part_number, url: `u${part_number}` }));
    const left = missing(urls, new Map([[2, "etag"]]), 4);
    expect(left.map((one) => one.part_number)).toEqual([1, 3, 4]);
  });

  it("for this site go to the origin of the page, those for a bucket to the bucket", () => {
    const ours = "https://site.example/api/v1/files/chunked-upload/u/parts/3?bytes=5&signature=s";
    expect(partUrl(ours, "http://127.0.0.1:8080")).toBe(
      "http://127.0.0.1:8080/api/v1/files/chunked-upload/u/parts/3?bytes=5&signature=s",
    );
    const bucket = "https://s3.example/bucket/key?partNumber=3&X-Amz-Signature=s";
    expect(partUrl(bucket, "http://127.0.0.1:8080")).toBe(bucket);
  });
});

describe("checks before the first byte", () => {
  const limits: FileLimits = {
    plan: "FREE",
    plan_name: "FREE",
    used_bytes: 60,
    quota_bytes: 100,
    file_bytes_max: 50,
    form_bytes_max: 10,
    media_only: false,
    trash_days: 30,
  };
  const code = (size: number, over: Partial<FileLimits> = {}, ahead = 0, type = "text/plain") =>
    refusalOf({ name: "a.txt", type, size }, { ...limits, ...over }, ahead)?.code ?? null;

  it("say what the server would", () => {
    expect(code(0)).toBe("file.empty");
    expect(code(51)).toBe("file.too-large");
    expect(code(41)).toBe("file.full");
    expect(code(40)).toBeNull();
    expect(code(40, { quota_bytes: null })).toBeNull();
  });

  it("count what waits already", () => {
    expect(code(30, {}, 10)).toBeNull();
    expect(code(31, {}, 10)).toBe("file.full");
  });

  it("let only media through where nothing is scanned", () => {
    expect(code(5, { media_only: true })).toBe("file.media-only");
    expect(code(5, { media_only: true }, 0, "image/png")).toBeNull();
    expect(
      refusalOf({ name: "A.MKV", type: "", size: 5 }, { ...limits, media_only: true })?.code ?? null,
    ).toBeNull();
  });
});

describe("an upload that is taken up again", () => {
  const begun = (id: string, name: string, size: number, path = "/"): Unfinished => ({
    file: { id: `f${id}`, path, name } as StoredFile,
    upload: {
      file_id: `f${id}`,
      upload_id: id,
      name,
      size,
      part_size: 5,
      parts: [],
      upload_urls: [],
      expires_at: "",
    },
  });
  const chosen = { name: "a.bin", size: 9, lastModified: 1_000 };

  it("has the file's name and length", () => {
    const all = [begun("1", "a.bin", 8), begun("2", "b.bin", 9), begun("3", "a.bin", 9)];
    expect(unfinishedOf(chosen, "/", all)?.upload.upload_id).toBe("3");
    expect(unfinishedOf({ ...chosen, size: 7 }, "/", all)).toBeNull();
  });

  it("is the one of this folder, if there is one", () => {
    const all = [begun("1", "a.bin", 9, "/x/"), begun("2", "a.bin", 9, "/y/")];
    expect(unfinishedOf(chosen, "/y/", all)?.upload.upload_id).toBe("2");
    expect(unfinishedOf(chosen, "/z/", all)?.upload.upload_id).toBe("1");
  });

  it("is not that of a file that was changed since", () => {
    const all = [begun("1", "a.bin", 9)];
    expect(unfinishedOf(chosen, "/", all, { "1": 1_000 })).not.toBeNull();
    expect(unfinishedOf(chosen, "/", all, { "1": 999 })).toBeNull();
  });
});

describe("speed", () => {
  it("is that of the last seconds, and says nothing too early", () => {
    let samples: Sample[] = [];
    for (let second = 0; second <= 20; second++) {
      samples = measured(samples, { at: second * 1_000, bytes: second * (second < 10 ? 100 : 400) });
      if (second === 1) expect(speed(samples, 1_000)).toBeNull();
    }
    expect(samples[0]?.at).toBe(10_000);
    expect(speed(samples, 20_000)).toBe(400);
  });

  it("falls while nothing moves", () => {
    const samples = [
      { at: 0, bytes: 0 },
      { at: 2_000, bytes: 2_000 },
    ];
    expect(speed(samples, 2_000)).toBe(1_000);
    expect(speed(samples, 8_000)).toBe(250);
  });

  it("begins anew after a part broke off", () => {
    const samples = measured([{ at: 0, bytes: 500 }], { at: 1_000, bytes: 100 });
    expect(samples).toEqual([{ at: 1_000, bytes: 100 }]);
  });

  it("tells how long it takes yet", () => {
    expect(secondsLeft(1_000, 300)).toBe(4);
    expect(secondsLeft(1_000, 0)).toBeNull();
    expect(secondsLeft(1_000, null)).toBeNull();
  });
});

describe("the queue", () => {
  const one = (items: Item[], id: string) => items.find((item) => item.id === id);

  it("begins as many as may go at once, in order", () => {
    const items = [inPhase("a", "sending"), inPhase("b", "waiting"), inPhase("c", "waiting")];
    expect(toBegin(items, 2).map((item) => item.id)).toEqual(["b"]);
    expect(toBegin([inPhase("p", "paused"), ...items], 3).map((item) => item.id)).toEqual(["b", "c"]);
    expect(
      toBegin([inPhase("a", "offline"), inPhase("b", "completing"), inPhase("c", "waiting")], 2),
    ).toEqual([]);
  });

  it("hears nothing of an attempt that was stopped", () => {
    let items = [inPhase("a", "sending")];
    items = step(items, { type: "pause", id: "a" });
    items = step(items, { type: "progress", id: "a", sent: 50, at: 1 });
    items = step(items, { type: "failed", id: "a", error: new Error("late") });
    expect(one(items, "a")).toMatchObject({ phase: "paused", sent: 0, error: null });
  });

  it("goes on where it stopped, and from the start what was never begun", () => {
    const place = { fileId: "f", uploadId: "u" };
    let items = [inPhase("a", "paused", { sent: 40, place }), inPhase("b", "failed", { sent: 40 })];
    items = step(step(items, { type: "resume", id: "a" }), { type: "resume", id: "b" });
    expect(one(items, "a")).toMatchObject({ phase: "waiting", sent: 40, place });
    expect(one(items, "b")).toMatchObject({ phase: "waiting", sent: 0, place: null });
  });

  it("forgets an upload that is over on the server", () => {
    const place = { fileId: "f", uploadId: "u" };
    const error = new ApiError({ status: 404, code: "file.no-upload" });
    const [item] = step([inPhase("a", "sending", { place })], {
      type: "failed",
      id: "a",
      error,
      isLost: true,
    });
    expect(item).toMatchObject({ phase: "failed", place: null });
  });

  it("comes back from a lost line by itself", () => {
    let items = step([inPhase("a", "sending")], { type: "offline", id: "a" });
    expect(one(items, "a")?.phase).toBe("offline");
    items = step(items, { type: "progress", id: "a", sent: 10, at: 5 });
    expect(one(items, "a")).toMatchObject({ phase: "sending", sent: 10 });
  });

  it("cannot pause what is being put together", () => {
    expect(one(step([inPhase("a", "completing")], { type: "pause", id: "a" }), "a")?.phase).toBe(
      "completing",
    );
  });

  it("ends with the file, and is tidied", () => {
    const file = { id: "f", upload_id: "u" } as StoredFile;
    const items = step([inPhase("a", "completing"), inPhase("b", "paused")], { type: "done", id: "a", file });
    expect(one(items, "a")).toMatchObject({
      phase: "done",
      sent: 100,
      place: { fileId: "f", uploadId: "u" },
    });
    expect(step(items, { type: "tidy" }).map((item) => item.id)).toEqual(["b"]);
  });

  it("has each file once until it is there", () => {
    const items = [inPhase("a", "failed"), inPhase("b", "done")];
    expect(alike(items, { file: fileOf("a", 100), path: "/" })?.id).toBe("a");
    expect(alike(items, { file: fileOf("a", 100), path: "/x/" })).toBeUndefined();
    expect(alike(items, { file: fileOf("a", 99), path: "/" })).toBeUndefined();
    expect(alike(items, { file: fileOf("b", 100), path: "/" })).toBeUndefined();
  });

  it("knows what is ahead, how far all is, and what must not be left", () => {
    const items = [
      inPhase("a", "done", { sent: 100 }),
      inPhase("b", "sending", { sent: 50, place: { fileId: "f", uploadId: "u" } }),
      inPhase("c", "waiting"),
    ];
    expect(bytesAhead(items)).toBe(100);
    expect(share(items)).toBe(0.5);
    expect(items.map((item) => isUnderWay(item.phase))).toEqual([false, true, true]);
  });
});
