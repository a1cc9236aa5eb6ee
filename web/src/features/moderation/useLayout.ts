// How this member likes the page, from the server. The page does not wait long for it.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, unwrap } from "@/api/client";
import { takeLayout } from "./layout";

const WAIT_MS = 1_500;

/** Whether the page may be drawn: the layout has come, or is not waited for any longer. */
export function useLayoutReady(member: string): boolean {
  const [isReady, setReady] = useState(false);
  const query = useQuery({
    queryKey: ["mod-layout", member],
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/mod-layout", { signal })),
    staleTime: Number.POSITIVE_INFINITY,
    // Another browser may have changed it since.
    gcTime: 0,
    retry: 1,
  });
  const { data, isError } = query;
  useEffect(() => {
    if (isReady) return;
    // What comes after the page was drawn is for the next visit.
    if (data) takeLayout(member, data.layout);
    if (data || isError) setReady(true);
    const timer = setTimeout(() => setReady(true), WAIT_MS);
    return () => clearTimeout(timer);
  }, [data, isError, isReady, member]);
  return isReady;
}
