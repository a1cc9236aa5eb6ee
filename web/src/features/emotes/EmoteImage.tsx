import { useState } from "react";
import { cx } from "@/lib/cx";
import { sharper } from "./emotes";

/** An emote's picture; its name as text where the picture is gone. */
export function EmoteImage({
  url,
  name,
  isDecoration = false,
  className,
}: {
  url: string;
  name: string;
  /** Its name stands beside it. */
  isDecoration?: boolean;
  className?: string;
}) {
  const [lost, setLost] = useState<string | null>(null);
  if (lost === url) return isDecoration ? null : <span>:{name}:</span>;
  return (
    <img
      src={url}
      srcSet={sharper(url)}
      alt={isDecoration ? "" : `:${name}:`}
      title={isDecoration ? undefined : `:${name}:`}
      onError={() => setLost(url)}
      className={cx("object-contain", className)}
    />
  );
}
