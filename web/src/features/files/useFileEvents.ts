import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { onUploads } from "@/features/upload/store";
import { getSocket } from "@/realtime/socket";
import { FILES } from "./api";

/** Many events at once are one change. */
const SETTLE_MS = 250;

/** What happens to files, here or elsewhere, shows wherever they are listed. */
export function useFileEvents(): void {
  const client = useQueryClient();
  useEffect(() => {
    const socket = getSocket();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const changed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void client.invalidateQueries({ queryKey: FILES }), SETTLE_MS);
    };
    socket.on("file:changed", changed);
    // What was told while the line was down.
    socket.io.on("reconnect", changed);
    const silence = onUploads(changed);
    return () => {
      clearTimeout(timer);
      socket.off("file:changed", changed);
      socket.io.off("reconnect", changed);
      silence();
    };
  }, [client]);
}
