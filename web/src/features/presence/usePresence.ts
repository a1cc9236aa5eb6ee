// Keeps the socket told whom this tab shows, and what it says of them where every part of the page can read it.
import { useEffect } from "react";
import { create } from "zustand";
import { ApiError } from "@/api/errors";
import type { Presence } from "@/api/types";
import { ask, getSocket, useLine } from "@/realtime/socket";
import { type Known, learned, Shown, shownOf } from "./watched";

/** Parts of a page come and go together: one question for all of them. */
const SETTLE_MS = 80;
const RETRY_MS = 5_000;

const useKnown = create<{ known: Known }>(() => ({ known: {} }));
const shown = new Shown();
let timer: ReturnType<typeof setTimeout> | undefined;
/** What the socket was told last; null: nothing, since it is connected. */
let told: string | null = null;
let isListening = false;

function later(ms: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void tell(), ms);
}

async function tell(): Promise<void> {
  const user_ids = shown.list();
  const list = user_ids.join();
  if (list === (told ?? "") || !getSocket().connected) return;
  told = list;
  try {
    const { items } = await ask("presence:watch", { user_ids });
    useKnown.setState(({ known }) => ({ known: learned(known, items, shown.list()) }));
  } catch (error) {
    if (told === list) told = null;
    const { retryAfterS } = ApiError.of(error);
    later(retryAfterS ? retryAfterS * 1_000 : RETRY_MS);
  }
}

function listen(): void {
  if (isListening) return;
  isListening = true;
  const socket = getSocket();
  socket.on("presence:changed", ({ items }) =>
    useKnown.setState(({ known }) => ({ known: learned(known, items, shown.list()) })),
  );
  // Another connection has to be told anew, and what the one before said is old.
  socket.on("connect", () => {
    told = null;
    useKnown.setState({ known: {} });
    later(0);
  });
}

/** Whether a member is there, as long as this part of the page shows them. `page` is what the list they are in says. */
export function usePresence(user: string | undefined, page?: Presence | null): Presence | null {
  const line = useLine((now) => now.state);
  const known = useKnown((now) => now.known);
  useEffect(() => {
    if (!user) return;
    listen();
    if (shown.add(user)) later(SETTLE_MS);
    return () => {
      if (shown.remove(user)) later(SETTLE_MS);
    };
  }, [user]);
  return user ? shownOf(known, line, user, page) : null;
}
