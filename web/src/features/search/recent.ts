// What somebody looked for in this browser: the last few questions, apart for each account.
import { useEffect } from "react";
import { create } from "zustand";
import { useSession } from "@/api/session";
import { read, write } from "@/lib/storage";
import { QUESTION_MAX } from "./api";

export const RECENT_MAX = 8;
const NONE: string[] = [];

const keyOf = (account: string) => `rillcast.searches.${account}`;

/** What is kept, whatever somebody else has written there. */
export function readRecent(account: string): string[] {
  try {
    const kept: unknown = JSON.parse(read(keyOf(account)) ?? "[]");
    const isGood = (one: unknown): one is string =>
      typeof one === "string" && one.trim() !== "" && one.length <= 2 * QUESTION_MAX;
    return Array.isArray(kept) ? kept.filter(isGood).slice(0, RECENT_MAX) : NONE;
  } catch {
    return NONE;
  }
}

/** A question on top; the same one, in whatever case, stands there once. */
export function withRecent(list: readonly string[], q: string): string[] {
  const same = (one: string) => one.toLocaleLowerCase() === q.toLocaleLowerCase();
  return [q, ...list.filter((one) => !same(one))].slice(0, RECENT_MAX);
}

const useLists = create<Record<string, string[]>>(() => ({}));

function keep(account: string, list: string[]): void {
  useLists.setState({ [account]: list });
  write(keyOf(account), JSON.stringify(list));
}

export function useRecent() {
  const account = useSession((session) => session.user?.id ?? "visitor");
  const list = useLists((lists) => lists[account]);
  useEffect(() => {
    if (!list) useLists.setState({ [account]: readRecent(account) });
  }, [account, list]);
  return {
    list: list ?? NONE,
    add: (q: string) => keep(account, withRecent(readRecent(account), q)),
    clear: () => keep(account, []),
  };
}
