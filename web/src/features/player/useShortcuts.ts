import { type RefObject, useEffect, useRef } from "react";
import { usePrefs } from "@/lib/prefs";
import { commandOf, placeOf } from "./keys";
import type { Mediator } from "./mediator";
import type { Command } from "./request";

/** Held down, these go on; others would flicker. */
const REPEATED: Command["do"][] = ["seek-by", "volume-by", "frame", "speed-step"];

/** The page's keys for its player, while the viewer wants them. */
export function useShortcuts(
  player: RefObject<HTMLElement | null>,
  mediator: Mediator | null,
  isLive: boolean,
  perform: (command: Command) => void,
): void {
  const hasShortcuts = usePrefs((prefs) => prefs.hasShortcuts);
  const latest = useRef(perform);
  latest.current = perform;
  useEffect(() => {
    if (!hasShortcuts || !mediator) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const press = {
        key: event.key,
        code: event.code,
        hasModifier: event.ctrlKey || event.metaKey || event.altKey,
        isShifted: event.shiftKey,
        isAlt: event.altKey && !event.ctrlKey && !event.metaKey,
      };
      const { isPaused } = mediator.snapshot();
      const command = commandOf(press, placeOf(event.target, player.current), { isLive, isPaused });
      if (!command) return;
      event.preventDefault();
      if (!event.repeat || REPEATED.includes(command.do)) latest.current(command);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [hasShortcuts, mediator, isLive, player]);
}
