// Which rows are chosen. Rows are named by keys, in the order in which they are shown.
export type Selection = { keys: ReadonlySet<string>; anchor: string | null };
export const NONE: Selection = { keys: new Set(), anchor: null };

/** Chooses one, or not any more; with `isRange` all from where one was chosen last. */
export function choose(
  old: Selection,
  order: readonly string[],
  key: string,
  { isOn, isRange }: { isOn: boolean; isRange: boolean },
): Selection {
  const keys = new Set(old.keys);
  const [from, to] = [order.indexOf(old.anchor ?? key), order.indexOf(key)];
  const range =
    isRange && from >= 0 && to >= 0 ? order.slice(Math.min(from, to), Math.max(from, to) + 1) : [key];
  for (const one of range) {
    if (isOn) keys.add(one);
    else keys.delete(one);
  }
  return { keys, anchor: isRange && old.anchor ? old.anchor : key };
}

export const chooseAll = (order: readonly string[]): Selection => ({
  keys: new Set(order),
  anchor: order[0] ?? null,
});

/** What is not shown any more is not chosen. The same selection when nothing is lost. */
export function still(old: Selection, order: readonly string[]): Selection {
  const shown = new Set(order);
  const keys = [...old.keys].filter((key) => shown.has(key));
  if (keys.length === old.keys.size) return old;
  return { keys: new Set(keys), anchor: old.anchor && shown.has(old.anchor) ? old.anchor : null };
}
