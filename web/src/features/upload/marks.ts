// When the files of begun uploads were changed last, so that after a reload no other file goes on in their place.
import { read, write } from "@/lib/storage";

const KEY = "rillcast.uploads";
/** More than one member may have under way. */
const KEPT_MAX = 60;

export type Marks = Record<string, number>;

export function marks(): Marks {
  try {
    const known: unknown = JSON.parse(read(KEY) ?? "{}");
    return typeof known === "object" && known !== null ? (known as Marks) : {};
  } catch {
    return {};
  }
}

export function remember(uploadId: string, lastModified: number): void {
  const known = Object.entries({ ...marks(), [uploadId]: lastModified });
  write(KEY, JSON.stringify(Object.fromEntries(known.slice(-KEPT_MAX))));
}
