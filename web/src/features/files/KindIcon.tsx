import { File, FileText, Film, Folder, Image, Music, NotebookText } from "lucide-react";
import type { FileKind } from "./api";

const ICONS = {
  image: Image,
  video: Film,
  audio: Music,
  pdf: NotebookText,
  text: FileText,
  file: File,
  folder: Folder,
} as const;

export function KindIcon({ kind, className }: { kind: FileKind | "folder"; className?: string }) {
  const Icon = ICONS[kind];
  return <Icon aria-hidden="true" className={className} />;
}

const ENDINGS: Record<string, FileKind> = {
  mkv: "video",
  flv: "video",
  ts: "video",
  md: "text",
  flac: "audio",
};

/** What a file here looks like; the server decides what it is. */
export function kindOf(type: string, name: string): FileKind {
  const [family] = type.split("/");
  if (family === "image" || family === "video" || family === "audio" || family === "text") return family;
  if (type === "application/pdf") return "pdf";
  return ENDINGS[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? "file";
}
