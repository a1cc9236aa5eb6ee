// Which parts of a message are what was looked for. The server decides what is found (`domain::words`); this is only how it is shown.

export type Part = { at: number; value: string; isHit: boolean };

/** Letters with a stroke are no letter and a mark to Unicode. */
const PLAIN: Record<string, string> = { đ: "d", ł: "l", ø: "o" };
const LETTER = /[\p{L}\p{N}]/u;
/** Written without spaces between words: each sign is one. */
const ALONE = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]/u;

/** A character without case and marks; empty for a mark. */
const folded = (char: string): string =>
  Array.from(char.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, ""), (c) => PLAIN[c] ?? c).join("");

type Word = { from: number; chars: string[] };

/** Words by where they begin, with each character folded. */
function wordsOf(chars: string[]): Word[] {
  const words: Word[] = [];
  let open: Word | null = null;
  for (const [at, char] of chars.entries()) {
    const plain = folded(char);
    const isMark = plain === "" && /\p{M}/u.test(char);
    if (isMark && open) {
      open.chars.push("");
    } else if (!LETTER.test(plain)) {
      open = null;
    } else if (open && !ALONE.test(plain)) {
      open.chars.push(plain);
    } else {
      const word: Word = { from: at, chars: [plain] };
      words.push(word);
      open = ALONE.test(plain) ? null : word;
    }
  }
  return words;
}

/** How many characters of a word begin as one of those sought; 0: it does not. */
function hitLength(word: Word, sought: string[]): number {
  const whole = word.chars.join("");
  const longest = Math.max(0, ...sought.filter((one) => whole.startsWith(one)).map((one) => one.length));
  let length = 0;
  let count = 0;
  while (count < word.chars.length && length < longest) length += word.chars[count++]?.length ?? 0;
  // Marks that follow belong to the last letter.
  while (count > 0 && word.chars[count] === "") count += 1;
  return count;
}

/** A message in parts, those that are what was looked for marked. */
export function parts(text: string, q: string): Part[] {
  const sought = wordsOf(Array.from(q)).map((word) => word.chars.join(""));
  const chars = Array.from(text);
  const all: Part[] = [];
  let from = 0;
  const push = (to: number, isHit: boolean) => {
    if (to > from) all.push({ at: from, value: chars.slice(from, to).join(""), isHit });
    from = to;
  };
  for (const word of wordsOf(chars)) {
    const length = hitLength(word, sought);
    if (length === 0) continue;
    push(word.from, false);
    push(word.from + length, true);
  }
  push(chars.length, false);
  return all;
}

/** The server's limits: at least one word of two letters, so many characters. */
export const SOUGHT_MAX = 100;
export function isEnough(q: string): boolean {
  return wordsOf(Array.from(q)).some(
    (word) => word.chars.join("").length >= 2 || ALONE.test(word.chars[0] ?? ""),
  );
}
