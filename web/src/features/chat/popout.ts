// The chat in a window of its own. The page that opened it knows whether it is still there, and hides its own chat meanwhile.
import { create } from "zustand";

/** As wide as the column it comes from, and a little more. */
const FEATURES = "popup,width=400,height=720";
/** A window that was closed tells nobody: it is looked after. */
const LOOK_MS = 500;

const windows = new Map<string, Window>();
let timer: ReturnType<typeof setInterval> | undefined;

const useOpened = create<{ names: readonly string[] }>(() => ({ names: [] }));

/** Whether this page opened a channel's chat in a window that is still there. */
export const useIsPoppedOut = (username: string): boolean =>
  useOpened(({ names }) => names.includes(username.toLowerCase()));

/** The address of a channel's chat alone. `link` is the id of an unlisted stream. */
export function popOutPath(username: string, link?: string): string {
  const query = link ? `?${new URLSearchParams({ stream: link })}` : "";
  return `/popout/${encodeURIComponent(username.toLowerCase())}/chat${query}`;
}

/** Opens the window, or brings it to the front. False where the browser does not allow windows. */
export function popOut(username: string, link?: string): boolean {
  const name = username.toLowerCase();
  const known = windows.get(name);
  if (known && !known.closed) {
    known.focus();
    return true;
  }
  // The name makes a second click, also from another tab, find the same window.
  const opened = window.open(popOutPath(name, link), `rillcast-chat-${name}`, FEATURES);
  if (!opened) return false;
  windows.set(name, opened);
  timer ??= setInterval(look, LOOK_MS);
  look();
  return true;
}

/** Closes the window: the page shows its own chat again. */
export function bringBack(username: string): void {
  windows.get(username.toLowerCase())?.close();
  look();
}

function look(): void {
  for (const [name, opened] of windows) if (opened.closed) windows.delete(name);
  if (windows.size === 0) {
    clearInterval(timer);
    timer = undefined;
  }
  const names = [...windows.keys()];
  if (names.join() !== useOpened.getState().names.join()) useOpened.setState({ names });
}
