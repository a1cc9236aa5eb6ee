// Small pictures along a recording: a WebVTT file whose cues name a part of a sprite, `sprite.jpg#xywh=0,0,160,90`.

export type Tile = { from: number; to: number; url: string; x: number; y: number; w: number; h: number };

/** More cues than a day at one a second are not a storyboard. */
const TILES_MAX = 90_000;
const TIMING = /^(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{3})\s+-->\s+(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{3})/;
const REGION = /#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)\s*$/;

/** The pictures of a file at `base`, in order. What is no picture cue is passed over. */
export function parseStoryboard(text: string, base: string): Tile[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  if (!lines[0]?.startsWith("WEBVTT")) return [];
  const tiles: Tile[] = [];
  for (let i = 1; i < lines.length && tiles.length < TILES_MAX; i += 1) {
    const times = TIMING.exec(lines[i] ?? "");
    if (!times) continue;
    const payload = (lines[i + 1] ?? "").trim();
    const region = REGION.exec(payload);
    const [from, to] = [seconds(times.slice(1, 5)), seconds(times.slice(5, 9))];
    const url = addressOf(payload.replace(REGION, ""), base);
    if (!region || !url || to <= from) continue;
    const [x = 0, y = 0, w = 0, h = 0] = region.slice(1).map(Number);
    if (w > 0 && h > 0) tiles.push({ from, to, url, x, y, w, h });
  }
  return tiles.sort((a, b) => a.from - b.from);
}

/** The picture for a second: its own, else the last before it. */
export function tileAt(tiles: readonly Tile[], at: number): Tile | null {
  let low = 0;
  let high = tiles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tiles[middle]?.from ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return tiles[low - 1] ?? tiles[0] ?? null;
}

function seconds([h, m, s, ms]: (string | undefined)[]): number {
  return Number(h ?? 0) * 3600 + Number(m) * 60 + Number(s) + Number(ms) / 1000;
}

function addressOf(path: string, base: string): string | null {
  try {
    const url = new URL(path, base);
    // A picture, never a script or somebody's file.
    return /^https?:$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
