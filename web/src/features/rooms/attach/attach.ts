// What may go out with a message, and what is known of it on its way. Nothing here draws or asks anybody.
import { ApiError } from "@/api/errors";
import type { RoomAttachment, RoomMessage } from "@/api/types";

/** What the server takes here, as the room says it. */
export type Limits = { bytes_max: number; images_only: boolean };

const PICTURES: Record<string, string> = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  gif: "image/gif",
};
export const PICTURE_TYPES = [...new Set(Object.values(PICTURES))];

/** The server's own word for what it would refuse, before anything is sent. */
export function refusalOf(file: { type: string; size: number }, limits: Limits): ApiError | null {
  const refused = (code: string) => new ApiError({ status: 422, code });
  if (file.size === 0) return refused("attachment.empty");
  if (file.size > limits.bytes_max) return refused("attachment.too-large");
  if (limits.images_only && !PICTURE_TYPES.includes(file.type)) return refused("attachment.images-only");
  return null;
}

/** A picture that was pasted may have no name of its own, or one without an ending: the server wants name and type to agree. */
export function named(file: File): File {
  const ending = file.name.split(".").at(-1)?.toLowerCase() ?? "";
  if (!PICTURE_TYPES.includes(file.type) || PICTURES[ending] === file.type) return file;
  const right = file.type.slice("image/".length).replace("jpeg", "jpg");
  const stem = file.name.replace(/\.[^.]*$/, "") || "picture";
  return new File([file], `${stem}.${right}`, { type: file.type });
}

/** One file on its way. What an earlier one still says is not heard: each has a number of its own. */
export type Going = {
  run: number;
  file: File;
  /** From 0 to 1. */
  share: number;
  /** Once the server has it. */
  done: RoomAttachment | null;
  error: unknown | null;
};

export type Step =
  | { type: "begin"; run: number; file: File }
  | { type: "progress"; run: number; share: number }
  | { type: "done"; run: number; attachment: RoomAttachment }
  | { type: "failed"; run: number; error: unknown }
  | { type: "changed"; attachment: RoomAttachment }
  | { type: "end" };

export function step(going: Going | null, next: Step): Going | null {
  if (next.type === "begin") return { run: next.run, file: next.file, share: 0, done: null, error: null };
  if (next.type === "end" || going === null) return null;
  if (next.type === "changed")
    return going.done?.id === next.attachment.id ? { ...going, done: next.attachment } : going;
  if (next.run !== going.run) return going;
  if (next.type === "progress") return { ...going, share: Math.min(1, next.share) };
  if (next.type === "done") return { ...going, share: 1, done: next.attachment, error: null };
  return { ...going, error: next.error };
}

/** Whether it can go out: what a scanner looks at yet goes out too, and is shown when it is done. */
export const isSendable = (going: Going | null): boolean =>
  going?.done?.state === "ready" || going?.done?.state === "checking";

/** A message's attachment in another state. */
export function settled(
  items: RoomMessage[],
  message: string | null,
  attachment: RoomAttachment,
): RoomMessage[] {
  return items.map((item) => (item.id === message ? { ...item, attachment } : item));
}

/** How large a picture is drawn: whole, and never larger than it is. */
export function boxOf({ width, height }: Pick<RoomAttachment, "width" | "height">, side: number) {
  const [w, h] = [Math.max(1, width ?? side), Math.max(1, height ?? side)];
  const scale = Math.min(1, side / Math.max(w, h));
  // A thin one stays wide enough to be hit.
  return { width: Math.max(48, Math.round(w * scale)), height: Math.max(48, Math.round(h * scale)) };
}
