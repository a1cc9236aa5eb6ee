import { lazy, Suspense } from "react";
import { useUploads } from "./store";

const Tray = lazy(async () => ({ default: (await import("./Tray")).Tray }));

/** The uploads of this tab, on whatever page. Nothing of it is loaded before there is one. */
export function Uploads() {
  const isNone = useUploads(({ items }) => items.length === 0);
  if (isNone) return null;
  return (
    <Suspense>
      <Tray />
    </Suspense>
  );
}
