// What is sent of a file, part by part. Nothing here asks anybody.
import { ApiError } from "@/api/errors";
import type { FileLimits, PartUrl, Unfinished } from "@/features/files/api";

/** Where a part lies in its file. Numbered from 1. */
export function rangeOf(number: number, partSize: number, size: number): { from: number; to: number } {
  const from = (number - 1) * partSize;
  return { from, to: Math.min(size, from + partSize) };
}

export const countOf = (size: number, partSize: number) => Math.max(1, Math.ceil(size / partSize));

/** The parts that are still to be sent, in order, with where they go. A part without a link is left out. */
export function missing(
  urls: readonly PartUrl[],
  there: ReadonlyMap<number, string>,
  count: number,
): PartUrl[] {
  return urls
    .filter(({ part_number }) => part_number >= 1 && part_number <= count && !there.has(part_number))
    .toSorted((a, b) => a.part_number - b.part_number);
}

const OURS = "/api/v1/files/chunked-upload/";

/** A link to this site is taken as the page's own, by whatever name the page was opened; others are the bucket's. */
export function partUrl(url: string, origin: string): string {
  const { pathname, search } = new URL(url, origin);
  return pathname.startsWith(OURS) ? `${origin}${pathname}${search}` : url;
}

/** Types of which the server serves only what it made of them. */
const MEDIA = /^(image\/(jpeg|png|webp)|video\/)/;
const MEDIA_NAME = /\.(jpe?g|png|webp|mp4|m4v|mov|mkv|webm|avi|ts|m2ts|mts|flv|wmv|mpe?g|3gp|ogv)$/i;

/** The server's own word for what it would refuse, before anything is sent. `ahead` is what waits here already, in bytes. */
export function refusalOf(
  { name, type, size }: { name: string; type: string; size: number },
  limits: FileLimits,
  ahead = 0,
): ApiError | null {
  const refused = (code: string) => new ApiError({ status: 422, code });
  if (size === 0) return refused("file.empty");
  if (size > limits.file_bytes_max) return refused("file.too-large");
  const room = limits.quota_bytes ?? Number.POSITIVE_INFINITY;
  if (limits.used_bytes + ahead + size > room) return refused("file.full");
  if (limits.media_only && !MEDIA.test(type) && !MEDIA_NAME.test(name)) return refused("file.media-only");
  return null;
}

/**
 * Which begun upload a chosen file goes on with: one of its name and length. Of several the one in this folder. What this browser began
 * it knows better: `marks` says when such a file was changed last, and one that was changed since is another one.
 */
export function unfinishedOf(
  chosen: { name: string; size: number; lastModified: number },
  path: string,
  begun: readonly Unfinished[],
  marks: Readonly<Record<string, number>> = {},
): Unfinished | null {
  const same = begun.filter(
    ({ upload }) =>
      upload.name === chosen.name &&
      upload.size === chosen.size &&
      (marks[upload.upload_id] ?? chosen.lastModified) === chosen.lastModified,
  );
  return same.find(({ file }) => file.path === path) ?? same[0] ?? null;
}
