import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { api } from "@/api/client";
import { vod as vodQuery } from "@/api/queries";

/** Tells the server that this recording is being watched. The server decides whether it counts. */
export function useCountView(id: string): () => void {
  const client = useQueryClient();
  return useCallback(() => {
    api
      .POST("/api/v1/vods/{id}/views", { params: { path: { id } } })
      .then(({ data }) => {
        if (data)
          client.setQueryData(vodQuery(id).queryKey, (old) => (old ? { ...old, views: data.views } : old));
      })
      // A view that could not be told is not worth a word to the viewer.
      .catch(() => undefined);
  }, [id, client]);
}
