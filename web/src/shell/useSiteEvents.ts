import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { following } from "@/api/queries";
import { useFileEvents } from "@/features/files/useFileEvents";
import { FRIENDS } from "@/features/friends/friends";
import { usePaymentEvents } from "@/features/payments/usePaymentEvents";
import { useRoomEvents } from "@/features/rooms/rooms";
import { getSocket } from "@/realtime/socket";

/** Streams that start and stop change the lists on every page. */
export function useSiteEvents(): void {
  const client = useQueryClient();
  useRoomEvents();
  useFileEvents();
  usePaymentEvents();
  useEffect(() => {
    const socket = getSocket();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      // Many at once are one change.
      clearTimeout(timer);
      timer = setTimeout(() => {
        void client.invalidateQueries({ queryKey: ["streams", "live"] });
        void client.invalidateQueries({ queryKey: following().queryKey });
      }, 400);
    };
    const befriend = () => void client.invalidateQueries({ queryKey: FRIENDS });
    socket.on("friends:changed", befriend);
    // What was told while the line was down.
    socket.io.on("reconnect", befriend);
    socket.on("stream:online", refresh);
    socket.on("stream:offline", refresh);
    return () => {
      clearTimeout(timer);
      socket.off("friends:changed", befriend);
      socket.io.off("reconnect", befriend);
      socket.off("stream:online", refresh);
      socket.off("stream:offline", refresh);
    };
  }, [client]);
}
