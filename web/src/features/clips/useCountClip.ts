import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { api } from "@/api/client";
import { clip } from "./queries";

/** Tells the server that this clip is being watched. The server decides whether it counts. */
export function useCountClip(id: string): () => void {
  const client = useQueryClient();
  return useCallback(() => {
    api
      .POST("/api/v1/clips/{id}/views", { params: { path: { id } } })
      .then(({ data }) => {
        if (data)
          client.setQueryData(clip(id).queryKey, (old) => (old ? { ...old, views: data.views } : old));
      })
      // A view that could not be told is not worth a word to the viewer.
      .catch(() => undefined);
  }, [id, client]);
}
