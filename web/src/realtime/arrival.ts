// How somebody came to this page, as broadcasters are told: embedded or not, and from whose page. A host's name, nothing else of
// an address, and only for the channel the page was opened with.

export type Arrival = { from: "page" | "embed"; host?: string };

let first: string | null = null;

/** The host of an address elsewhere; nothing for our own and for what is no address. */
export function hostOf(referrer: string, own: string): string | undefined {
  try {
    const { protocol, hostname } = new URL(referrer);
    return /^https?:$/.test(protocol) && hostname !== own ? hostname.toLowerCase() : undefined;
  } catch {
    return undefined;
  }
}

/** What a channel is told of how this page came to it. */
export function arrival(
  username: string,
  place: { path: string; referrer: string; host: string } = here(),
): Arrival {
  const name = username.toLowerCase();
  first ??= name;
  const from = place.path.startsWith("/embed/") ? "embed" : "page";
  const host = first === name ? hostOf(place.referrer, place.host) : undefined;
  return host ? { from, host } : { from };
}

const here = () => ({
  path: window.location.pathname,
  referrer: document.referrer,
  host: window.location.hostname,
});
