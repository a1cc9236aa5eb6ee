// Folders are words between slashes: `/`, `/a/b/`.
const NAME_CHARS_MAX = 255;

/** `a/b`, `/a/b` and `/a/b/` are the same. */
export function asFolder(path: string | undefined): string {
  const names = (path ?? "").split("/").filter((name) => name !== "" && name !== "." && name !== "..");
  return names.length === 0 ? "/" : `/${names.join("/")}/`;
}

export type Crumb = { name: string; path: string };

/** The folders above one, itself last; without the root. */
export function crumbs(path: string): Crumb[] {
  const names = path.split("/").filter(Boolean);
  return names.map((name, at) => ({ name, path: `/${names.slice(0, at + 1).join("/")}/` }));
}

export function parentOf(path: string): string {
  return crumbs(path).at(-2)?.path ?? "/";
}

/** What is wrong with a name, if anything is. */
export function nameFault(name: string): "empty" | "long" | "letters" | null {
  const plain = name.trim();
  if (plain === "" || plain === "." || plain === "..") return "empty";
  if ([...plain].length > NAME_CHARS_MAX) return "long";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return /[/\\\u0000-\u001f\u007f]/.test(plain) ? "letters" : null;
}

/** `a, b` as tags: each once, in small letters. */
export function tagsOf(text: string): string[] {
  const words = text.split(",").map((word) => word.trim().toLowerCase());
  return [...new Set(words.filter(Boolean))].sort();
}

export const TAGS_MAX = 20;
export const TAG_CHARS_MAX = 40;
export const areTagsGood = (tags: readonly string[]) =>
  tags.length <= TAGS_MAX && tags.every((tag) => [...tag].length <= TAG_CHARS_MAX);
