import { parts } from "@/features/rooms/found";

/** A name, with what was looked for marked. */
export function Marked({ text, q }: { text: string; q: string }) {
  return parts(text, q).map((part) =>
    part.isHit ? (
      <mark key={part.at} className="rounded-xs bg-melt-wash font-semibold text-text">
        {part.value}
      </mark>
    ) : (
      <span key={part.at}>{part.value}</span>
    ),
  );
}
