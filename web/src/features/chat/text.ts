// Splits a chat line into words, links and mentions. Nothing here makes HTML.

export type Piece = { kind: "text" | "link" | "mention"; value: string; at: number };

const PATTERN = /(https?:\/\/[^\s<>"']+)|(@[a-z0-9_]{3,30})\b/gi;

export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(PATTERN)) {
    let value = match[0];
    const kind = match[1] ? "link" : "mention";
    // Punctuation after a link belongs to the sentence.
    if (kind === "link") value = value.replace(/[.,;:!?)\]}]+$/, "");
    if (kind === "link" && !isHttp(value)) continue;
    if (match.index > from) out.push({ kind: "text", value: text.slice(from, match.index), at: from });
    out.push({ kind, value, at: match.index });
    from = match.index + value.length;
  }
  if (from < text.length) out.push({ kind: "text", value: text.slice(from), at: from });
  return out;
}

function isHttp(value: string): boolean {
  try {
    const { protocol } = new URL(value);
    return protocol === "http:" || protocol === "https:";
  } catch {
    return false;
  }
}

/** Characters as the server counts them. */
export const charCount = (text: string): number => Array.from(text.normalize("NFC").trim()).length;
