// Whom this tab shows, and what is known of them. Nothing here asks anybody.
import type { Presence } from "@/api/types";

/** The server's limit for one socket. */
export const WATCHED_MAX = 200;

/** What the server says of members; null: they hide it, or it is not known. */
export type Told = { user_id: string; presence: Presence | null };
export type Known = Readonly<Record<string, Presence | null>>;

/** Members some part of the page shows, each however often; those that came last count first. */
export class Shown {
  private counts = new Map<string, number>();

  /** Returns whether the set has changed. */
  add(user: string): boolean {
    const before = this.counts.get(user) ?? 0;
    this.counts.set(user, before + 1);
    return before === 0;
  }

  remove(user: string): boolean {
    const before = this.counts.get(user) ?? 0;
    if (before > 1) this.counts.set(user, before - 1);
    else this.counts.delete(user);
    return before === 1;
  }

  /** In one order, so that the same members are the same list. */
  list(): string[] {
    return [...this.counts.keys()].slice(-WATCHED_MAX).sort();
  }
}

/** What is known after the server said something of members. Of those nobody shows any more nothing is kept. */
export function learned(known: Known, told: Told[], shown: string[]): Known {
  const next: Record<string, Presence | null> = {};
  const latest = new Map(told.map(({ user_id, presence }) => [user_id, presence]));
  for (const user of shown) {
    const presence = latest.has(user) ? latest.get(user) : known[user];
    if (presence !== undefined) next[user] = presence;
  }
  return next;
}

/** What to show of a member: the socket's word, or the page's as long as there is none. Without a line nobody knows. */
export function shownOf(
  known: Known,
  line: "idle" | "connecting" | "up" | "down",
  user: string,
  page: Presence | null | undefined,
): Presence | null {
  if (line === "down") return null;
  const told = known[user];
  return told !== undefined ? told : (page ?? null);
}
