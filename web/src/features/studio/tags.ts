/** Tags as typed: split at commas, trimmed, without `#`, lower case, each once. The server has the last word. */
export function parseTags(text: string): string[] {
  const tags = text
    .split(",")
    .map((tag) => tag.trim().replace(/^#+/, "").toLowerCase())
    .filter((tag) => tag !== "");
  return [...new Set(tags)];
}
