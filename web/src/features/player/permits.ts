// Playback tokens of what is not for everybody. A player keeps one address for as long as it plays; the token, which lives for
// minutes, is put on at the last moment, so that a fresh one is no reason to begin again.

const tokens = new Map<string, string>();

/** `/live/alice` and `/vod/1`: all of one stream's or recording's media lies below. */
function folderOf(url: URL): string {
  return url.pathname.split("/").slice(0, 3).join("/");
}

const absolute = (url: string) => new URL(url, window.location.origin);

/** Remembers the token of a playback address, for another folder too where it is good there, and returns the address without it. */
export function keepPermit(src: string, also?: string): string {
  if (!src.includes("token=")) return src;
  const url = absolute(src);
  const token = url.searchParams.get("token");
  if (token) tokens.set(folderOf(url), token);
  if (token && also) tokens.set(also, token);
  url.searchParams.delete("token");
  return `${url.pathname}${url.search}`;
}

/** The address with the latest token, where one is known. Everything else stays as it is. */
export function withPermit(src: string): string {
  if (tokens.size === 0) return src;
  const url = absolute(src);
  const token = url.origin === window.location.origin ? tokens.get(folderOf(url)) : undefined;
  if (!token) return src;
  url.searchParams.set("token", token);
  return url.href;
}

export function hasPermit(src: string): boolean {
  return withPermit(src) !== src;
}

export function forgetPermits(): void {
  tokens.clear();
}
