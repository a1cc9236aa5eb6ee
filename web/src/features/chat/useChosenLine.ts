// Lines of chat by keyboard, for who keeps order: the arrows choose one, Enter says what may be done with it, Delete removes it.
// Tab goes on to the line's own buttons.
import type { Virtualizer } from "@tanstack/react-virtual";
import type { KeyboardEvent, RefObject } from "react";
import type { ChatMessage } from "@/api/types";
import type { LineActions } from "./Line";

export function useChosenLine({
  scroller,
  virtual,
  lines,
  isOn,
  actionsOf,
}: {
  scroller: RefObject<HTMLDivElement | null>;
  virtual: Virtualizer<HTMLDivElement, Element>;
  lines: ChatMessage[];
  isOn: boolean;
  actionsOf: (message: ChatMessage) => LineActions;
}) {
  const choose = (index: number) => {
    const at = Math.min(Math.max(index, 0), lines.length - 1);
    if (at < 0) return;
    const row = () => scroller.current?.querySelector<HTMLElement>(`[data-index="${at}"]`);
    const drawn = row();
    virtual.scrollToIndex(at, { align: "auto" });
    // At once, so that the next key is the line's; one out of sight is drawn first.
    if (drawn) drawn.focus({ preventScroll: true });
    else requestAnimationFrame(() => row()?.focus({ preventScroll: true }));
  };
  /** The last line that is wholly in sight. */
  const lastShown = () => {
    const end = (virtual.scrollOffset ?? 0) + (scroller.current?.clientHeight ?? 0);
    return virtual.getVirtualItems().findLast((item) => item.end <= end)?.index ?? lines.length - 1;
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const target = event.target as HTMLElement;
    const isRow = target.dataset.index !== undefined;
    if (!isOn || (!isRow && target !== scroller.current)) return;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const at = isRow ? Number(target.dataset.index) : lastShown() + 1;
    const message = lines[at];
    const actions = message && !message.deleted ? actionsOf(message) : {};
    if (event.key === "ArrowUp") choose(at - 1);
    else if (event.key === "ArrowDown" && isRow) choose(at + 1);
    else if (event.key === "Escape" && isRow) scroller.current?.focus();
    else if (event.key === "Enter" && message && actions.onModerate) actions.onModerate(message, target);
    else if (event.key === "Delete" && message && actions.onRemove) actions.onRemove(message.id);
    else return;
    event.preventDefault();
  };
  return { onKeyDown };
}
