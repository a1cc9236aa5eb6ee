import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";

/** After a change of page: focus to its heading, and its title said aloud. A changed filter is no new page. */
export function RouteAnnouncer() {
  const router = useRouter();
  const [said, setSaid] = useState("");
  useEffect(
    () =>
      router.subscribe("onRendered", ({ fromLocation, toLocation }) => {
        if (!fromLocation || fromLocation.pathname === toLocation.pathname) return;
        requestAnimationFrame(() => {
          document.querySelector<HTMLElement>("[data-page-heading]")?.focus({ preventScroll: true });
          setSaid(document.title);
        });
      }),
    [router],
  );
  return (
    <div role="status" className="sr-only" data-testid="route-announcer">
      {said}
    </div>
  );
}
