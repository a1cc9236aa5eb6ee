import { Navigate, useRouterState } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useSession } from "@/api/session";
import type { User } from "@/api/types";
import { Skeleton } from "@/ui/bits";

/** Its children for somebody signed in; the sign-in page, and back, for everybody else. */
export function RequireUser({ children }: { children: (user: User) => ReactNode }) {
  const { status, user } = useSession();
  const here = useRouterState({ select: (state) => state.location.pathname });
  if (status === "signed-in" && user) return children(user);
  if (status === "unknown") {
    return (
      <div className="container-page flex flex-col gap-4 py-10">
        <Skeleton className="h-9 w-56" />
        <Skeleton className="h-64" />
      </div>
    );
  }
  return <Navigate to="/signin" search={{ next: here }} replace />;
}
