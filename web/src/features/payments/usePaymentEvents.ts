import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { FILES } from "@/features/files/api";
import { getSocket } from "@/realtime/socket";
import { PAYMENTS } from "./api";

const KINDS = /^(payment|plan)_/;

/** What becomes of payments and plans, here or elsewhere, shows wherever they are. */
export function usePaymentEvents(): void {
  const client = useQueryClient();
  useEffect(() => {
    const socket = getSocket();
    const changed = () => {
      void client.invalidateQueries({ queryKey: PAYMENTS });
      // How much room there is.
      void client.invalidateQueries({ queryKey: [...FILES, "limits"] });
    };
    const noticed = ({ type }: { type: string }) => {
      if (KINDS.test(type)) changed();
    };
    socket.on("payment", changed);
    socket.on("notification", noticed);
    // What was told while the line was down.
    socket.io.on("reconnect", changed);
    return () => {
      socket.off("payment", changed);
      socket.off("notification", noticed);
      socket.io.off("reconnect", changed);
    };
  }, [client]);
}
