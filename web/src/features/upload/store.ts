// The uploads of this tab. They live beside the pages: whoever goes elsewhere on the site takes them along.
import { create } from "zustand";
import { ApiError } from "@/api/errors";
import { useSession } from "@/api/session";
import { abortUpload, type FileLimits, type Unfinished } from "@/features/files/api";
import { uuid } from "@/lib/ids";
import { marks, remember } from "./marks";
import { refusalOf, unfinishedOf } from "./parts";
import { alike, bytesAhead, type Item, isUnderWay, newItem, type Step, step, toBegin } from "./queue";
import { send } from "./send";

const FILES_AT_ONCE = 2;
/** How often the page is told how far it is. */
const TELL_MS = 200;

type State = { items: Item[]; formMax: number };
export const useUploads = create<State>(() => ({ items: [], formMax: 0 }));

const stops = new Map<string, AbortController>();
const listeners = new Set<() => void>();
/** Hears when an upload began, ended or was given up: the lists are other ones now. */
export function onUploads(heard: () => void): () => void {
  listeners.add(heard);
  return () => listeners.delete(heard);
}
const announce = () => {
  for (const heard of listeners) heard();
};

function tell(next: Step): void {
  useUploads.setState(({ items }) => ({ items: step(items, next) }));
  begin();
  guard();
}

const itemOf = (id: string) => useUploads.getState().items.find((item) => item.id === id);

/** Begins what may begin. */
function begin(): void {
  for (const { id } of toBegin(useUploads.getState().items, FILES_AT_ONCE)) {
    useUploads.setState(({ items }) => ({ items: step(items, { type: "begin", id }) }));
    void run(id);
  }
}

async function run(id: string): Promise<void> {
  const item = itemOf(id);
  if (!item) return;
  const stop = new AbortController();
  stops.set(id, stop);
  const isOver = () => stop.signal.aborted;
  let last = 0;
  try {
    const file = await send(
      { file: item.file, path: item.path, place: item.place, formMax: useUploads.getState().formMax },
      {
        placed: (place) => {
          // Given up, or begun anew, while it began: nobody will send this one.
          const isOrphan = !itemOf(id) || (stops.get(id) ?? stop) !== stop;
          if (isOrphan) void abortUpload(place.uploadId).catch(() => undefined);
          else tell({ type: "placed", id, place });
          remember(place.uploadId, item.file.lastModified);
          announce();
        },
        sent: (bytes) => {
          const now = Date.now();
          if (isOver() || (now - last < TELL_MS && bytes < item.file.size)) return;
          last = now;
          tell({ type: "progress", id, sent: bytes, at: now });
        },
        offline: () => isOver() || tell({ type: "offline", id }),
        completing: () => isOver() || tell({ type: "completing", id }),
      },
      stop.signal,
    );
    tell({ type: "done", id, file });
  } catch (error) {
    const { code } = ApiError.of(error);
    if (!isOver()) tell({ type: "failed", id, error, isLost: code === "file.no-upload" });
  } finally {
    if (stops.get(id) === stop) stops.delete(id);
  }
  announce();
}

export type Refused = { name: string; error: ApiError };
export type Chosen = { file: File; path: string };

/** Takes files for a folder: what began already goes on, the rest is checked first. Returns what cannot go. */
export function take(
  chosen: readonly Chosen[],
  limits: FileLimits,
  begun: readonly Unfinished[] = [],
): Refused[] {
  const refused: Refused[] = [];
  const items: Item[] = [];
  const known = new Set(useUploads.getState().items.map((item) => item.place?.uploadId));
  for (const { file, path } of chosen) {
    const own = alike([...useUploads.getState().items, ...items], { file, path });
    if (own) {
      resume(own.id);
      continue;
    }
    const left = begun.filter(({ upload }) => !known.has(upload.upload_id));
    const same = unfinishedOf(file, path, left, marks());
    if (same) {
      known.add(same.upload.upload_id);
      const place = { fileId: same.upload.file_id, uploadId: same.upload.upload_id };
      items.push(newItem(uuid(), file, same.file.path, place));
      continue;
    }
    const ahead = bytesAhead([...useUploads.getState().items, ...items]);
    const error = refusalOf(file, limits, ahead);
    if (error) refused.push({ name: file.name, error });
    else items.push(newItem(uuid(), file, path));
  }
  useUploads.setState({ formMax: limits.form_bytes_max });
  if (items.length > 0) tell({ type: "add", items });
  return refused;
}

export function pause(id: string): void {
  stops.get(id)?.abort();
  tell({ type: "pause", id });
}

export const resume = (id: string) => tell({ type: "resume", id });

/** Stops it here and gives it up there. */
export function cancel(id: string): void {
  const item = itemOf(id);
  stops.get(id)?.abort();
  tell({ type: "remove", id });
  if (!item?.place || item.phase === "done") return;
  // What is not given up goes by itself after a day.
  void abortUpload(item.place.uploadId)
    .catch(() => undefined)
    .then(announce);
}

export const tidy = () => tell({ type: "tidy" });

function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

/** Asks whoever closes the page while something is on its way. */
function guard(): void {
  const isBusy = useUploads.getState().items.some((item) => isUnderWay(item.phase));
  if (isBusy) window.addEventListener("beforeunload", warn);
  else window.removeEventListener("beforeunload", warn);
}

// Another person's uploads are nobody's business. On the server they wait for a day.
useSession.subscribe((now, before) => {
  if (before.user === null || now.user?.id === before.user.id) return;
  for (const stop of stops.values()) stop.abort();
  stops.clear();
  useUploads.setState({ items: [] });
  guard();
});
