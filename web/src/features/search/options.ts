// What stands below the search field, in the order of the arrow keys.
import type { Category, Vod } from "@/api/types";
import type { StoredFile } from "@/features/files/api";
import type { ChannelHit, SearchResults } from "./api";
import { fits } from "./api";

export type Option =
  | { kind: "recent" | "query"; key: string; q: string }
  | { kind: "channel"; key: string; channel: ChannelHit }
  | { kind: "category"; key: string; category: Category }
  | { kind: "vod"; key: string; vod: Vod }
  | { kind: "file"; key: string; file: StoredFile };

/** Questions from before and categories among what is found. */
const FEW = 2;

/** With an empty field the last questions; else the question itself, and what was found of it so far. */
export function optionsOf(
  typed: string,
  recent: readonly string[],
  found: SearchResults | undefined,
  categories: readonly Category[],
): Option[] {
  const asked = (kind: "recent" | "query", q: string): Option => ({ kind, key: `${kind}:${q}`, q });
  if (typed === "") return recent.map((q) => asked("recent", q));
  const again = recent.filter((q) => q.toLocaleLowerCase() !== typed.toLocaleLowerCase() && fits(q, typed));
  return [
    asked("query", typed),
    ...again.slice(0, FEW).map((q) => asked("recent", q)),
    ...(found?.channels ?? []).map(
      (channel): Option => ({ kind: "channel", key: `channel:${channel.username}`, channel }),
    ),
    ...categories
      .slice(0, FEW)
      .map((category): Option => ({ kind: "category", key: `category:${category.slug}`, category })),
    ...(found?.vods ?? []).map((vod): Option => ({ kind: "vod", key: `vod:${vod.id}`, vod })),
    ...(found?.files ?? []).map((file): Option => ({ kind: "file", key: `file:${file.id}`, file })),
  ];
}

/** Where an arrow key leads: around, by way of the field itself (-1). */
export function moved(active: number, by: 1 | -1, count: number): number {
  const next = active + by;
  if (next >= count) return -1;
  return next < -1 ? count - 1 : next;
}
