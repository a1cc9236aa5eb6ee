// What Tab makes of the word being written: names after `@`, emotes after `:`, commands after `/`.

import { EMOTES } from "@/features/emotes/emotes";

/** What the server does today. `/help` tells the same. */
export const COMMANDS = ["announce", "delete", "help", "pin", "unpin"] as const;

const OFFERS_MAX = 6;

export type Completion = { from: number; to: number; offers: string[] };

/** What could stand where the word at `caret` is being written, best first. */
export function complete(
  text: string,
  caret: number,
  names: readonly string[],
  /** Names of emotes, best first. */
  emotes: readonly string[] = EMOTES,
): Completion | null {
  const before = text.slice(0, caret);
  const word = /(?:^|\s)([@:/][a-z0-9_]*)$/i.exec(before)?.[1];
  if (!word) return null;
  const from = caret - word.length;
  const sign = word[0];
  if (sign === "/" && from > 0) return null;
  const begun = word.slice(1).toLowerCase();
  // A lone colon is punctuation.
  if (sign === ":" && begun === "") return null;
  const pool: readonly string[] = sign === "@" ? names : sign === ":" ? emotes : COMMANDS;
  const offers = pool.filter((one) => one.startsWith(begun)).slice(0, OFFERS_MAX);
  if (offers.length === 0) return null;
  return {
    from,
    to: caret,
    offers: offers.map((one) => (sign === ":" ? `:${one}:` : `${sign}${one}`)),
  };
}

/** The text with an offer taken, and where the caret goes. */
export function accept(
  text: string,
  { from, to }: Completion,
  offer: string,
): { text: string; caret: number } {
  const rest = text.slice(to);
  const gap = rest.startsWith(" ") ? "" : " ";
  return { text: text.slice(0, from) + offer + gap + rest, caret: from + offer.length + 1 };
}
