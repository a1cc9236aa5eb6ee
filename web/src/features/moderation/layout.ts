// Which panels stand on the moderators' page, and how large. Kept with the server for each member; what this browser has is a copy,
// good for when the server does not answer.
import { api, unwrap } from "@/api/client";
import type { Schemas } from "@/api/types";
import { uuid } from "@/lib/ids";
import { read, write } from "@/lib/storage";

/** The columns beside the chat, from top to bottom. */
export const COLUMNS = {
  middle: ["held", "reports", "requests", "log"],
  side: ["modes", "sanctions", "filters", "moderators"],
} as const;
export type PanelId = (typeof COLUMNS)[keyof typeof COLUMNS][number];
export const PANELS: readonly PanelId[] = [...COLUMNS.middle, ...COLUMNS.side];
/** Rarely needed during a broadcast. */
const HIDDEN_FIRST: readonly PanelId[] = ["requests", "filters", "moderators"];

export type Layout = Schemas["ModLayout"];

/** Dragging says a lot in a moment; the server hears the end of it. */
const SEND_AFTER_MS = 1_000;
/** Each set of panels has sizes of its own; those used last are kept. */
const SIZES_MAX = 40;

const hiddenKey = (member: string) => `rillcast.mod.${member}.hidden`;
/** A change of which the server has not heard: it is newer than what the server keeps. */
const unsentKey = (member: string) => `rillcast.mod.${member}.unsent`;
const sizesKey = (member: string) => `rillcast.mod.${member}.sizes`;

export function hiddenPanels(member: string): PanelId[] {
  const kept = read(hiddenKey(member));
  if (kept === null) return [...HIDDEN_FIRST];
  const names = kept.split(",");
  return PANELS.filter((panel) => names.includes(panel));
}

function keptSizes(member: string): Layout["sizes"] {
  try {
    const kept: unknown = JSON.parse(read(sizesKey(member)) ?? "{}");
    return kept !== null && typeof kept === "object" ? (kept as Layout["sizes"]) : {};
  } catch {
    return {};
  }
}

let timer: ReturnType<typeof setTimeout> | undefined;
function send(member: string): void {
  clearTimeout(timer);
  write(unsentKey(member), uuid());
  timer = setTimeout(async () => {
    const change = read(unsentKey(member));
    const body = { hidden: hiddenPanels(member), sizes: keptSizes(member) };
    try {
      await unwrap(api.PUT("/api/v1/me/mod-layout", { body }));
      if (read(unsentKey(member)) === change) write(unsentKey(member), "");
    } catch {
      // This browser has it, and sends it at the next change or visit.
    }
  }, SEND_AFTER_MS);
}

export function keepHidden(member: string, hidden: readonly PanelId[]): void {
  write(hiddenKey(member), hidden.join(","));
  send(member);
}

/** Where the panels' library keeps its sizes. */
export function sizesOf(member: string) {
  return {
    getItem: (group: string) => {
      const kept = keptSizes(member)[group];
      return kept ? JSON.stringify(kept) : null;
    },
    setItem: (group: string, text: string) => {
      const { [group]: _before, ...others } = keptSizes(member);
      const entries = [...Object.entries(others), [group, JSON.parse(text)]].slice(-SIZES_MAX);
      write(sizesKey(member), JSON.stringify(Object.fromEntries(entries)));
      send(member);
    },
  };
}

/** Takes over what the server keeps. Without anything there, or with something newer here, what this browser has stays. */
export function takeLayout(member: string, layout: Layout | null | undefined): void {
  if (read(unsentKey(member))) {
    send(member);
    return;
  }
  if (!layout) return;
  write(hiddenKey(member), layout.hidden.join(","));
  write(sizesKey(member), JSON.stringify(layout.sizes));
}
