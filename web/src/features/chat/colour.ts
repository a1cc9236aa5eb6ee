// A steady colour per author. Lightness is the theme's, so contrast never depends on the name.

/** A hue from 0 to 359 that the same text always gets. */
export function hueOf(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  }
  return (hash >>> 0) % 360;
}
