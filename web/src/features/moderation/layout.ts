// Which panels stand on the moderators' page, and how large. Kept in this browser, for each member.
import { read, write } from "@/lib/storage";

/** The columns beside the chat, from top to bottom. */
export const COLUMNS = {
  middle: ["held", "log"],
  side: ["modes", "sanctions", "filters", "moderators"],
} as const;
export type PanelId = (typeof COLUMNS)[keyof typeof COLUMNS][number];
export const PANELS: readonly PanelId[] = [...COLUMNS.middle, ...COLUMNS.side];
/** Rarely needed during a broadcast. */
const HIDDEN_FIRST: readonly PanelId[] = ["filters", "moderators"];

const keyOf = (member: string) => `rillcast.mod.${member}.hidden`;

export function hiddenPanels(member: string): PanelId[] {
  const kept = read(keyOf(member));
  if (kept === null) return [...HIDDEN_FIRST];
  const names = kept.split(",");
  return PANELS.filter((panel) => names.includes(panel));
}

export function keepHidden(member: string, hidden: readonly PanelId[]): void {
  write(keyOf(member), hidden.join(","));
}

/** Where the panels' library keeps sizes: storage that may be absent, and a name of the member's own. */
export const sizes = { getItem: (key: string) => read(key), setItem: write };
