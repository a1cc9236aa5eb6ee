// Addresses of a clip for other people.
export const pageOf = (id: string) => `${window.location.origin}/clip/${id}`;

/** Titles are people's words: in an attribute they are text and nothing else. */
const quoted = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

export function embedOf(id: string, title: string): string {
  const src = `${window.location.origin}/embed/clip/${id}?autoplay=0`;
  const allow = "autoplay; fullscreen; picture-in-picture; encrypted-media";
  return `<iframe src="${src}" title="${quoted(title)}" width="640" height="360" allow="${allow}" allowfullscreen></iframe>`;
}
