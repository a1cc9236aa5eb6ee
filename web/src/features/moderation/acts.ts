// What moderators did, as the pages keep it: a list that grows at its top, acts that were taken back, modes that changed.
import type { InfiniteData } from "@tanstack/react-query";
import type { ChatModes, ModAct, ModDeed } from "@/api/types";

/** Timeouts that are one key or click away, in seconds. */
export const TIMEOUTS = [60, 600, 3_600, 86_400] as const;
/** Longest timeout the server takes: four weeks. */
export const TIMEOUT_MAX_S = 28 * 86_400;
export const REASON_CHARS_MAX = 500;

export type LogFilter = { action?: string; actor?: string; target?: string };
export type LogPage = { items: ModAct[]; next_cursor?: string | null };
export type LogPages = InfiniteData<LogPage, unknown>;

const same = (name: string | null, wanted: string | undefined) =>
  !wanted || name?.toLowerCase() === wanted.toLowerCase();

export function fits(act: ModAct, filter: LogFilter): boolean {
  return (
    (!filter.action || act.action === filter.action) &&
    same(act.actor, filter.actor) &&
    same(act.target, filter.target)
  );
}

/** Puts an act that was just told on top; one that is there already changes nothing. */
export function withAct(old: LogPages | undefined, act: ModAct, filter: LogFilter): LogPages | undefined {
  const first = old?.pages[0];
  if (!old || !first || !fits(act, filter)) return old;
  if (old.pages.some((page) => page.items.some((item) => item.act_id === act.act_id))) return old;
  return { ...old, pages: [{ ...first, items: [act, ...first.items] }, ...old.pages.slice(1)] };
}

/** Acts of the list that somebody took back. */
export function takenBack(acts: readonly ModAct[]): Set<string> {
  return new Set(acts.map((act) => act.undoes).filter((id) => id !== null));
}

/** Whether this member may still take the act back, by the server's clock. */
export function mayUndo(act: ModAct, me: string, now: number): boolean {
  return (
    act.undoes === null && act.actor === me && act.undo_until !== null && Date.parse(act.undo_until) > now
  );
}

/** Who was faster: the newest act of somebody else on the same member or line. */
export function fasterOne(acts: readonly ModAct[], deed: ModDeed, me: string): string | null {
  const member = "member" in deed ? deed.member?.toLowerCase() : undefined;
  const line = "message_id" in deed ? deed.message_id : undefined;
  const found = acts.find(
    (act) =>
      act.actor !== me &&
      act.undoes === null &&
      (line ? act.detail?.message_id === line : member !== undefined && act.target === member),
  );
  return found?.actor ?? null;
}

export type ModeChange =
  | { key: "slow" | "followers"; seconds: number | null }
  | { key: "emote" | "unique"; isOn: boolean }
  | { key: "links"; links: NonNullable<ChatModes["links"]> };

/** What an act on the modes changed. */
export function modeChanges(before: ChatModes, after: ChatModes): ModeChange[] {
  const changes: ModeChange[] = [];
  if ((before.slow_s ?? 0) !== (after.slow_s ?? 0))
    changes.push({ key: "slow", seconds: after.slow_s || null });
  if ((before.followers_only_s ?? null) !== (after.followers_only_s ?? null))
    changes.push({ key: "followers", seconds: after.followers_only_s ?? null });
  if (Boolean(before.emote_only) !== Boolean(after.emote_only))
    changes.push({ key: "emote", isOn: Boolean(after.emote_only) });
  if (Boolean(before.unique) !== Boolean(after.unique))
    changes.push({ key: "unique", isOn: Boolean(after.unique) });
  if ((before.links ?? "allow") !== (after.links ?? "allow"))
    changes.push({ key: "links", links: after.links ?? "allow" });
  return changes;
}

export const UNITS = { minute: 60, hour: 3_600, day: 86_400 } as const;
export type Unit = keyof typeof UNITS;

/** A timeout as it was typed, in seconds; null when it is none the server takes. */
export function timeoutOf(count: string, unit: Unit): number | null {
  const number = Number(count.trim().replace(",", "."));
  if (count.trim() === "" || !Number.isFinite(number)) return null;
  const seconds = Math.round(number * UNITS[unit]);
  return seconds >= 1 && seconds <= TIMEOUT_MAX_S ? seconds : null;
}
