// Sends one file: as a form when it is small, else in parts, a few at a time, from wherever it stopped.
import { ApiError } from "@/api/errors";
import {
  beginUpload,
  completeUpload,
  findFile,
  type PartUrl,
  type StoredFile,
  upload as uploadView,
} from "@/features/files/api";
import { backoffMs } from "@/lib/backoff";
import { upload as sendForm } from "@/lib/upload";
import { countOf, missing, partUrl, rangeOf } from "./parts";

const PARTS_AT_ONCE = 3;
/** What is smaller goes as one form. */
const FORM_MAX = 4 << 20;
const FORM_TIMEOUT_MS = 10 * 60_000;
/** A part of which nothing went out for so long has broken off. */
const STALL_MS = 45_000;
/** Failures in a row after which somebody is to look at it. */
const FAILURES_MAX = 8;
/** Rounds of asking what is there, sending what is not, and saying that all is. */
const ROUNDS_MAX = 4;

export type Place = { fileId: string; uploadId: string };
export type Told = {
  placed: (place: Place) => void;
  /** Bytes that went out. */
  sent: (bytes: number) => void;
  offline: () => void;
  completing: () => void;
};
export type Wanted = { file: File; path: string; place: Place | null; formMax: number };

/** The file as the server has it. An abort is thrown as an ApiError of the code `aborted`. */
export async function send(wanted: Wanted, told: Told, signal: AbortSignal): Promise<StoredFile> {
  if (!wanted.place && wanted.file.size <= Math.min(FORM_MAX, wanted.formMax)) {
    return whole(wanted, told, signal);
  }
  return inParts(wanted, told, signal);
}

async function whole({ file, path }: Wanted, told: Told, signal: AbortSignal): Promise<StoredFile> {
  const form = new FormData();
  // The words stand before the file.
  form.set("path", path);
  form.set("visibility", "private");
  form.set("file", file, file.name);
  return patiently(told, signal, () =>
    sendForm<StoredFile>("/api/v1/files/upload", form, (share) => told.sent(share * file.size), {
      signal,
      timeoutMs: FORM_TIMEOUT_MS,
    }),
  );
}

async function inParts(wanted: Wanted, told: Told, signal: AbortSignal): Promise<StoredFile> {
  const { file } = wanted;
  let place = wanted.place;
  let partSize = 0;
  let links: PartUrl[] | null = null;
  const there = new Map<number, string>();
  if (!place) {
    const begun = await patiently(told, signal, () =>
      beginUpload({
        name: file.name,
        path: wanted.path,
        size: file.size,
        mime_type: file.type,
        visibility: "private",
      }),
    );
    place = { fileId: begun.file_id, uploadId: begun.upload_id };
    told.placed(place);
    stopIf(signal);
    partSize = begun.part_size;
    links = begun.upload_urls;
  }
  const { fileId, uploadId } = place;
  for (let round = 1; ; round++) {
    if (!links) {
      const view = await patiently(told, signal, () => uploadView(uploadId, signal));
      partSize = view.part_size;
      links = view.upload_urls;
      there.clear();
      for (const part of view.parts) there.set(part.part_number, part.etag);
    }
    const count = countOf(file.size, partSize);
    const isStale = await sendParts({ file, partSize, count, links, there, told, signal });
    links = null;
    const isWhole = there.size === count && [...there.values()].every(Boolean);
    // Links are good for some hours; and a bucket that hides its tags tells them when it is asked.
    if (isStale || !isWhole) {
      if (round === ROUNDS_MAX) throw new ApiError({ status: 409, code: "file.incomplete" });
      continue;
    }
    told.completing();
    const parts = [...there].map(([part_number, etag]) => ({ part_number, etag }));
    try {
      return await patiently(told, signal, () =>
        completeUpload({ file_id: fileId, upload_id: uploadId, parts }),
      );
    } catch (error) {
      const { code } = ApiError.of(error);
      if (code === "file.incomplete" && round < ROUNDS_MAX) continue;
      // It was put together, and the answer was lost.
      const found = code === "file.no-upload" ? await findFile(fileId).catch(() => null) : null;
      if (found && found.upload_id === uploadId && found.state !== "uploading" && found.state !== "cancelled")
        return found;
      throw error;
    }
  }
}

type Sending = {
  file: File;
  partSize: number;
  count: number;
  links: PartUrl[];
  /** The tags of what is there; an empty one is not known. */
  there: Map<number, string>;
  told: Told;
  signal: AbortSignal;
};

/** Sends what is not there. Returns whether links were too old and new ones are to be asked for. */
async function sendParts({ file, partSize, count, links, there, told, signal }: Sending): Promise<boolean> {
  const todo = missing(links, there, count);
  const going = new Map<number, number>();
  const lengthOf = (number: number) => {
    const { from, to } = rangeOf(number, partSize, file.size);
    return to - from;
  };
  const tell = () => {
    let bytes = 0;
    for (const number of there.keys()) bytes += lengthOf(number);
    for (const sent of going.values()) bytes += sent;
    told.sent(bytes);
  };
  tell();
  let isStale = false;
  // One that fails for good stops the others.
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const worker = async () => {
    for (let next = todo.shift(); next && !isStale; next = todo.shift()) {
      const { part_number: number, url } = next;
      const { from, to } = rangeOf(number, partSize, file.size);
      try {
        const tag = await patiently(told, either, () =>
          put(
            partUrl(url, location.origin),
            file.slice(from, to),
            (bytes) => {
              going.set(number, bytes);
              tell();
            },
            either,
          ),
        );
        there.set(number, tag);
      } catch (error) {
        const { status } = ApiError.of(error);
        if (!signal.aborted && (status === 400 || status === 403 || status === 404)) isStale = true;
        else {
          stop.abort();
          throw error;
        }
      } finally {
        going.delete(number);
        tell();
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: PARTS_AT_ONCE }, worker));
  stopIf(signal);
  const failed = ends.filter((end) => end.status === "rejected").map((end) => ApiError.of(end.reason));
  const cause = failed.find(({ code }) => code !== "aborted") ?? failed[0];
  if (cause) throw cause;
  return isStale;
}

const aborted = () => new ApiError({ status: 0, code: "aborted" });

function stopIf(signal: AbortSignal): void {
  if (signal.aborted) throw aborted();
}

/** Puts one part where it goes. Its tag, or nothing when the bucket does not show it. */
function put(url: string, body: Blob, onSent: (bytes: number) => void, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(aborted());
    const request = new XMLHttpRequest();
    let stall: ReturnType<typeof setTimeout>;
    const watch = () => {
      clearTimeout(stall);
      stall = setTimeout(() => request.abort(), STALL_MS);
    };
    const onAbort = () => request.abort();
    const end = (settle: () => void) => {
      clearTimeout(stall);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    request.open("PUT", url);
    request.upload.onprogress = ({ loaded }) => {
      watch();
      onSent(loaded);
    };
    const lost = () =>
      end(() => reject(signal.aborted ? aborted() : new ApiError({ status: 0, code: "network" })));
    request.onerror = lost;
    request.onabort = lost;
    request.onload = () =>
      end(() => {
        if (request.status >= 200 && request.status < 300) {
          // Asked for by name only where the bucket shows it: a hidden one would be an error on the page.
          const isShown = /^etag:/im.test(request.getAllResponseHeaders());
          return resolve((isShown && request.getResponseHeader("etag")) || "");
        }
        const retry = request.getResponseHeader("retry-after");
        const headers = new Headers(retry ? { "retry-after": retry } : undefined);
        reject(
          ApiError.fromResponse(
            new Response(null, { status: request.status || 500, headers }),
            parsed(request),
          ),
        );
      });
    signal.addEventListener("abort", onAbort, { once: true });
    watch();
    request.send(body);
  });
}

function parsed({ responseText }: XMLHttpRequest): unknown {
  try {
    return JSON.parse(responseText);
  } catch {
    // A bucket speaks XML.
    return null;
  }
}

/** Whether it may go well when it is asked again. */
const isPassing = ({ status, code }: ApiError) =>
  code !== "aborted" && (status === 0 || status === 408 || status === 429 || status >= 500);

/** Asks again after a while what may go well then. While this device is offline nothing is counted as a failure. */
async function patiently<T>(told: Told, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; ) {
    stopIf(signal);
    try {
      return await ask();
    } catch (thrown) {
      const error = ApiError.of(thrown);
      stopIf(signal);
      if (!isPassing(error)) throw error;
      if (error.status === 0) told.offline();
      if (navigator.onLine) failures += 1;
      if (failures > FAILURES_MAX) throw error;
      const wait = Math.max(backoffMs(failures, 500, 30_000), (error.retryAfterS ?? 0) * 1_000);
      await pause(wait, signal);
    }
  }
}

/** A while, or until this device is online again. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}
