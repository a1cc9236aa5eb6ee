import { useEffect } from "react";
import { usePrefs } from "@/lib/prefs";
import { useMedia } from "@/lib/useMedia";

/** Whether this page is laid out as a theatre: the viewer's choice, where there is room for it. The rail makes way. */
export function useTheatre(): boolean {
  const isChosen = usePrefs((prefs) => prefs.isTheatre);
  const isWide = useMedia("(min-width: 1024px)");
  const isTheatre = isChosen && isWide;
  useEffect(() => {
    document.documentElement.toggleAttribute("data-theatre", isTheatre);
    return () => document.documentElement.removeAttribute("data-theatre");
  }, [isTheatre]);
  return isTheatre;
}
