import type { CSSProperties } from "react";
import { hueOf } from "@/features/chat/colour";
import { cx } from "@/lib/cx";

type Props = {
  name: string;
  username: string;
  url?: string | null;
  size?: number;
  isLive?: boolean;
  className?: string;
};

/** A channel's picture, or its initial on a colour of its own. Always decorative: the name stands beside it. */
export function Avatar({ name, username, url, size = 36, isLive = false, className }: Props) {
  const style = { width: size, height: size, "--hue": hueOf(username) } as CSSProperties;
  return (
    <span
      aria-hidden="true"
      style={style}
      className={cx(
        "relative inline-grid shrink-0 place-items-center overflow-hidden rounded-full",
        isLive && "ring-2 ring-live ring-offset-2 ring-offset-surface",
        className,
      )}
    >
      {url ? (
        <img src={url} alt="" width={size} height={size} loading="lazy" className="size-full object-cover" />
      ) : (
        <span
          className="avatar-initial grid size-full place-items-center font-bold font-display"
          style={{ fontSize: size * 0.42 }}
        >
          {(Array.from(name || username)[0] ?? "?").toUpperCase()}
        </span>
      )}
    </span>
  );
}
