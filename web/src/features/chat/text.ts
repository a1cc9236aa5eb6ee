// Splits a chat line into words, links, mentions and emotes. Nothing here makes HTML.

export type Piece = { kind: "text" | "link" | "mention" | "emote"; value: string; at: number; url?: string };

const PATTERN = /(https?:\/\/[^\s<>"']+)|(@[a-z0-9_]{3,30})\b|:((?=[0-9_]*[a-z])[a-z0-9_]{2,24}):/gi;

/** `emotes`: addresses of the pictures of those that are emotes. */
export function pieces(text: string, emotes: Record<string, string> = {}): Piece[] {
  const out: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(PATTERN)) {
    let value = match[0];
    const name = match[3];
    const url = name && Object.hasOwn(emotes, name) ? emotes[name] : undefined;
    if (name && !isPicture(url)) continue;
    const kind = match[1] ? "link" : name ? "emote" : "mention";
    // Punctuation after a link belongs to the sentence.
    if (kind === "link") value = value.replace(/[.,;:!?)\]}]+$/, "");
    if (kind === "link" && !isHttp(value)) continue;
    if (match.index > from) out.push({ kind: "text", value: text.slice(from, match.index), at: from });
    out.push({ kind, value, at: match.index, ...(url ? { url } : {}) });
    from = match.index + value.length;
  }
  if (from < text.length) out.push({ kind: "text", value: text.slice(from), at: from });
  return out;
}

/** Pictures come from this site only. */
const isPicture = (url: string | undefined): boolean => url !== undefined && /^\/(?!\/)/.test(url);

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
