import type { ReactNode } from "react";
import { ErrorState, Skeleton } from "@/ui/bits";
import { More } from "@/ui/more";

type Pages = {
  isPending: boolean;
  isError: boolean;
  data: unknown;
  error: unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  refetch: () => unknown;
  fetchNextPage: () => unknown;
};

/** A panel's list, page by page: while it comes, when it does not come, and when nothing is in it. */
export function Listed({
  query,
  empty,
  children,
}: {
  query: Pages;
  /** Said where nothing is listed; null: something is. */
  empty: string | null;
  children: ReactNode;
}) {
  return (
    <>
      {query.isPending && <Skeleton className="h-20" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {Boolean(query.data) && empty !== null && <p className="text-faint text-sm">{empty}</p>}
      {children}
      <More list={query} size="s" className="mt-3" />
    </>
  );
}
