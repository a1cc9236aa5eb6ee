// The list of uploads and what becomes of each. Nothing here sends anything.
import type { StoredFile } from "@/features/files/api";
import { measured, type Sample } from "./speed";

export type Phase =
  | "waiting"
  | "sending"
  /** The line is away; it goes on by itself. */
  | "offline"
  | "paused"
  /** All is sent, and is put together. */
  | "completing"
  | "failed"
  /** The server has it. What it does with it now is the file's own state. */
  | "done";

export type Item = {
  id: string;
  file: File;
  path: string;
  phase: Phase;
  /** Bytes that are there. */
  sent: number;
  samples: Sample[];
  error: unknown | null;
  /** The server's names for it, once it has begun there. */
  place: { fileId: string; uploadId: string } | null;
  /** It had begun before this page was opened. */
  isResumed: boolean;
};

export type Step =
  | { type: "add"; items: Item[] }
  | { type: "begin"; id: string }
  | { type: "placed"; id: string; place: NonNullable<Item["place"]> }
  | { type: "progress"; id: string; sent: number; at: number }
  | { type: "offline"; id: string }
  | { type: "completing"; id: string }
  | { type: "done"; id: string; file: StoredFile }
  | { type: "failed"; id: string; error: unknown; isLost?: boolean }
  | { type: "pause"; id: string }
  | { type: "resume"; id: string }
  | { type: "remove"; id: string }
  | { type: "tidy" };

export const newItem = (id: string, file: File, path: string, place: Item["place"] = null): Item => ({
  id,
  file,
  path,
  phase: "waiting",
  sent: 0,
  samples: [],
  error: null,
  place,
  isResumed: place !== null,
});

const isRunning = (phase: Phase) => phase === "sending" || phase === "offline" || phase === "completing";
/** Bytes are to go out yet: leaving the page stops them. */
export const isUnderWay = (phase: Phase) => phase === "waiting" || isRunning(phase);

export function step(items: readonly Item[], next: Step): Item[] {
  if (next.type === "add") return [...items, ...next.items];
  if (next.type === "tidy") return items.filter((item) => item.phase !== "done");
  if (next.type === "remove") return items.filter((item) => item.id !== next.id);
  return items.map((item) => (item.id === next.id ? changed(item, next) : item));
}

type Own = Exclude<Step, { type: "add" | "tidy" | "remove" }>;

/** What an earlier attempt still says is not heard: an upload that was stopped is told nothing but to begin. */
function changed(item: Item, next: Own): Item {
  switch (next.type) {
    case "begin":
      return item.phase === "waiting" ? { ...item, phase: "sending", samples: [], error: null } : item;
    case "placed":
      return { ...item, place: next.place };
    case "progress": {
      if (!isRunning(item.phase)) return item;
      const sent = Math.min(item.file.size, next.sent);
      const samples = measured(item.samples, { at: next.at, bytes: sent });
      return { ...item, phase: item.phase === "offline" ? "sending" : item.phase, sent, samples };
    }
    case "offline":
      return item.phase === "sending" ? { ...item, phase: "offline", samples: [] } : item;
    case "completing":
      return isRunning(item.phase) ? { ...item, phase: "completing" } : item;
    case "done": {
      const place = { fileId: next.file.id, uploadId: next.file.upload_id };
      return { ...item, phase: "done", sent: item.file.size, place, error: null };
    }
    case "failed":
      if (!isRunning(item.phase)) return item;
      return { ...item, phase: "failed", error: next.error, place: next.isLost ? null : item.place };
    case "pause":
      return isUnderWay(item.phase) && item.phase !== "completing"
        ? { ...item, phase: "paused", samples: [] }
        : item;
    case "resume":
      return item.phase === "paused" || item.phase === "failed"
        ? { ...item, phase: "waiting", error: null, sent: item.place ? item.sent : 0 }
        : item;
  }
}

/** The same file on its way to the same place: chosen once more, it is not sent twice. */
export const alike = (items: readonly Item[], { file, path }: Pick<Item, "file" | "path">) =>
  items.find(
    (item) =>
      item.phase !== "done" &&
      item.path === path &&
      item.file.name === file.name &&
      item.file.size === file.size &&
      item.file.lastModified === file.lastModified,
  );

/** Which are to begin now, when so many may go at once. */
export function toBegin(items: readonly Item[], atOnce: number): Item[] {
  const running = items.filter((item) => isRunning(item.phase)).length;
  return items.filter((item) => item.phase === "waiting").slice(0, Math.max(0, atOnce - running));
}

/** Bytes that wait here and are not counted by the server yet. */
export const bytesAhead = (items: readonly Item[]) =>
  items
    .filter((item) => item.place === null && item.phase !== "done" && item.phase !== "failed")
    .reduce((sum, item) => sum + item.file.size, 0);

/** How far all of them are, from 0 to 1. */
export function share(items: readonly Item[]): number {
  const all = items.reduce((sum, item) => sum + item.file.size, 0);
  return all === 0 ? 1 : items.reduce((sum, item) => sum + item.sent, 0) / all;
}
