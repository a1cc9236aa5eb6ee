// A seat at a channel's desk: what moderators there do and are told, kept up through reconnects.
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiError } from "@/api/errors";
import type { HeldLine, ModAct } from "@/api/types";
import { ask, getSocket } from "@/realtime/socket";
import { modKey } from "./keys";
import { heard, heldCame, heldGone } from "./queries";

const RETRY_MS = 3_000;
/** Who is no moderator any more is not told so: the seat is asked for again. */
const RENEW_MS = 30_000;

export type Seat = "waiting" | "taken" | "forbidden" | "missing";

export function useDesk(channel: string): { seat: Seat; wasTaken: boolean } {
  const client = useQueryClient();
  const [seat, setSeat] = useState<Seat>("waiting");
  const [wasTaken, setTaken] = useState(false);
  useEffect(() => {
    const socket = getSocket();
    let isGone = false;
    let isNew = true;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const sit = async () => {
      clearTimeout(timer);
      try {
        await ask("mod:join", { username: channel });
        if (isGone) return;
        setSeat("taken");
        setTaken(true);
        // What was told while nobody sat there.
        if (isNew) void client.invalidateQueries({ queryKey: modKey(channel) });
        isNew = false;
        timer = setTimeout(sit, RENEW_MS);
      } catch (error) {
        const { code } = ApiError.of(error);
        if (isGone || !socket.connected) return;
        if (code.endsWith("not-found")) return setSeat("missing");
        if (code === "chat.forbidden" || code === "chat.unauthenticated") setSeat("forbidden");
        timer = setTimeout(sit, code === "chat.forbidden" ? RENEW_MS : RETRY_MS);
      }
    };
    const onAct = (act: ModAct) => {
      if (act.username.toLowerCase() === channel) heard(client, channel, act);
    };
    const onHeld = (line: HeldLine) => {
      if (line.username.toLowerCase() === channel) heldCame(client, channel, line);
    };
    const onGone = (event: { id: string; username: string }) => {
      if (event.username.toLowerCase() === channel) heldGone(client, channel, event.id);
    };
    const onReport = (event: { username: string }) => {
      if (event.username.toLowerCase() === channel) {
        void client.invalidateQueries({ queryKey: [...modKey(channel), "reports"] });
      }
    };
    const onRequest = (event: { username: string }) => {
      if (event.username.toLowerCase() === channel) {
        void client.invalidateQueries({ queryKey: [...modKey(channel), "requests"] });
      }
    };
    const onOffice = (event: { username: string }) => {
      if (event.username.toLowerCase() === channel) void sit();
    };
    const onDisconnect = () => {
      isNew = true;
      clearTimeout(timer);
      setSeat((now) => (now === "taken" ? "waiting" : now));
    };
    socket.on("mod:action", onAct);
    socket.on("mod:held", onHeld);
    socket.on("mod:held-gone", onGone);
    socket.on("mod:report", onReport);
    socket.on("mod:report-gone", onReport);
    socket.on("mod:request", onRequest);
    socket.on("mod:request-gone", onRequest);
    socket.on("chat:office", onOffice);
    socket.on("connect", sit);
    socket.on("disconnect", onDisconnect);
    if (socket.connected) void sit();
    return () => {
      isGone = true;
      clearTimeout(timer);
      socket.off("mod:action", onAct);
      socket.off("mod:held", onHeld);
      socket.off("mod:held-gone", onGone);
      socket.off("mod:report", onReport);
      socket.off("mod:report-gone", onReport);
      socket.off("mod:request", onRequest);
      socket.off("mod:request-gone", onRequest);
      socket.off("chat:office", onOffice);
      socket.off("connect", sit);
      socket.off("disconnect", onDisconnect);
      if (socket.connected) socket.emit("mod:leave", { username: channel }, () => undefined);
    };
  }, [channel, client]);
  return { seat, wasTaken };
}
