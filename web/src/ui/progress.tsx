import type { ComponentProps } from "react";
import { cx } from "@/lib/cx";

/** How far something is. Drawn by ourselves: the platform's own gives up its colours as soon as it has a height. */
export function Progress({ className, ...rest }: ComponentProps<"progress">) {
  return (
    <progress
      {...rest}
      className={cx(
        "block h-1.5 w-full appearance-none overflow-hidden rounded-full border-0 bg-line [&::-moz-progress-bar]:bg-melt [&::-webkit-progress-bar]:bg-line [&::-webkit-progress-value]:bg-melt",
        className,
      )}
    />
  );
}
