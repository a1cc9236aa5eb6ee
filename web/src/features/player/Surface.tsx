import { FastForward, Rewind } from "lucide-react";
import { type PointerEvent, useEffect, useRef, useState } from "react";
import { sideOf, type Taps, tap } from "./gestures";
import { SKIP_S } from "./keys";
import type { Request } from "./request";

const RIPPLE_MS = 600;

type Props = {
  ask: (request: Request) => void;
  /** A touch on the picture: the controls come or go. */
  onTap: () => void;
};

/** The picture as something to press. The keyboard has the buttons for all of it. */
export function Surface({ ask, onTap }: Props) {
  const taps = useRef<Taps>(null);
  const [ripple, setRipple] = useState<{ side: 1 | -1; n: number } | null>(null);
  useEffect(() => {
    if (!ripple) return;
    const timer = setTimeout(() => setRipple(null), RIPPLE_MS);
    return () => clearTimeout(timer);
  }, [ripple]);

  const onPointerUp = (event: PointerEvent<HTMLDivElement>) => {
    if (event.pointerType === "mouse") {
      if (event.button === 0) ask({ do: "toggle" });
      return;
    }
    const box = event.currentTarget.getBoundingClientRect();
    const found = tap(taps.current, sideOf(event.clientX - box.left, box.width), event.timeStamp);
    taps.current = found.taps;
    if (found.skip === null) return onTap();
    ask({ do: "seek-by", by: found.skip * SKIP_S });
    setRipple({ side: found.skip, n: found.taps?.count ?? 0 });
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: pointers only; each action has its button and its key
    <div
      className="absolute inset-0 touch-manipulation"
      data-testid="surface"
      onPointerUp={onPointerUp}
      onDoubleClick={(event) => {
        if ((event.nativeEvent as globalThis.PointerEvent).pointerType !== "touch") ask({ do: "fullscreen" });
      }}
    >
      {ripple && (
        <div
          key={ripple.n}
          aria-hidden="true"
          className={ripple.side > 0 ? "player-ripple is-right" : "player-ripple"}
        >
          {ripple.side > 0 ? <FastForward /> : <Rewind />}
          <span className="tabular">{SKIP_S}</span>
        </div>
      )}
    </div>
  );
}
