// What was dropped on the page, folders with all that is in them.
import type { Chosen } from "./store";

/** Files of one drop. */
export const FILES_MAX = 1_000;
const DEPTH_MAX = 20;

/** Must be called within the drop itself: later the browser has forgotten what was dropped. */
export async function dropped(items: DataTransferItemList, path: string): Promise<Chosen[]> {
  const found: Chosen[] = [];
  const plain: Chosen[] = [];
  const entries: FileSystemEntry[] = [];
  for (const item of items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    const file = entry ? null : item.getAsFile();
    if (entry) entries.push(entry);
    else if (file) plain.push({ file, path });
  }
  for (const entry of entries) await walk(entry, path, 0, found);
  return [...plain, ...found].slice(0, FILES_MAX);
}

async function walk(entry: FileSystemEntry, path: string, depth: number, found: Chosen[]): Promise<void> {
  if (found.length >= FILES_MAX || depth > DEPTH_MAX) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    found.push({ file, path });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  // A hundred at a time, until there are no more.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const one of some) await walk(one, `${path}${entry.name}/`, depth + 1, found);
  }
}

/** Files of a picker: of one for folders each says where it lay. */
export const picked = (files: Iterable<File>, path: string): Chosen[] =>
  [...files].slice(0, FILES_MAX).map((file) => {
    const inner = file.webkitRelativePath.split("/").slice(0, -1);
    return { file, path: inner.length > 0 ? `${path}${inner.join("/")}/` : path };
  });
