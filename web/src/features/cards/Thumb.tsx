import { useState } from "react";
import { hueOf } from "@/features/chat/colour";
import { cx } from "@/lib/cx";
import { Rills } from "@/ui/bits";

/** A picture of 16:9, or the house's pattern when there is none (yet). */
export function Thumb({
  url,
  seed,
  className,
  isEager = false,
}: {
  url?: string | null;
  seed: string;
  className?: string;
  isEager?: boolean;
}) {
  const [failed, setFailed] = useState<string | null>(null);
  if (url && failed !== url) {
    return (
      <img
        src={url}
        alt=""
        loading={isEager ? "eager" : "lazy"}
        decoding="async"
        onError={() => setFailed(url)}
        className={cx("size-full object-cover", className)}
      />
    );
  }
  return (
    <div
      aria-hidden="true"
      className={cx("thumb-pattern size-full", className)}
      style={{ "--hue": hueOf(seed) } as React.CSSProperties}
    >
      <Rills className="size-full opacity-60" />
    </div>
  );
}
