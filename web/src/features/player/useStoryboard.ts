import { useEffect, useState } from "react";
import { parseStoryboard, type Tile } from "./storyboard";

const none: Tile[] = [];

/** Loads the storyboard when it is first wanted. Without one, or when it fails, there are no pictures. */
export function useStoryboard(url: string | null, isWanted: boolean): Tile[] {
  const [loaded, setLoaded] = useState<{ url: string; tiles: Tile[] } | null>(null);
  useEffect(() => {
    if (!url || !isWanted || loaded?.url === url) return;
    const asked = new AbortController();
    const at = new URL(url, window.location.origin).href;
    fetch(at, { signal: asked.signal })
      .then((answer) => (answer.ok ? answer.text() : ""))
      .then((text) => setLoaded({ url, tiles: parseStoryboard(text, at) }))
      .catch(() => {
        if (!asked.signal.aborted) setLoaded({ url, tiles: none });
      });
    return () => asked.abort();
  }, [url, isWanted, loaded?.url]);
  return loaded && loaded.url === url ? loaded.tiles : none;
}
