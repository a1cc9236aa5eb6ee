import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";

/** A member's ban from a channel's chat, and their request about it. */
export const plea = (channel: string, member: string) =>
  queryOptions({
    queryKey: ["plea", channel, member],
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/v1/channels/{username}/unban-request", {
          params: { path: { username: channel } },
          signal,
        }),
      ),
    staleTime: 30_000,
  });
