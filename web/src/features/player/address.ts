import { viewerId } from "@/lib/ids";

/** The multivariant address with this tab's viewer id, so that socket and playlist count as one viewer. */
export function withViewer(src: string): string {
  const url = new URL(src, window.location.origin);
  url.searchParams.set("vs", viewerId());
  return url.href;
}

/** The same broadcast from its beginning. */
export function fromTheBeginning(src: string): string {
  const url = new URL(src, window.location.origin);
  url.searchParams.set("dvr", "1");
  return url.href;
}
