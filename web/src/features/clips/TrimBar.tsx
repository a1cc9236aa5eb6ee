import { Minus, Plus } from "lucide-react";
import { type KeyboardEvent, type PointerEvent, useRef } from "react";
import { useTranslation } from "react-i18next";
import { type Tile, tileAt } from "@/features/player/storyboard";
import { clamp } from "@/features/player/timeline";
import { cx } from "@/lib/cx";
import { Button } from "@/ui/button";
import { fineClock, keyed, moveFrom, moveTo, STEPS, type Trim } from "./trim";

/** Pictures along the bar. */
const PICTURES = 8;

type Props = {
  trim: Trim;
  /** Where the preview is, in seconds of the recording; null before its first picture. */
  at: number | null;
  tiles: readonly Tile[];
  onChange: (trim: Trim, moved: "from" | "to") => void;
};

/** The part of the recording around the moment, and a handle at each end of the clip. */
export function TrimBar({ trim, at, tiles, onChange }: Props) {
  const { t } = useTranslation();
  const bar = useRef<HTMLDivElement>(null);
  const share = (second: number) => `${clamp((second - trim.low) / (trim.high - trim.low), 0, 1) * 100}%`;
  const secondAt = (event: PointerEvent): number => {
    const box = bar.current?.getBoundingClientRect();
    if (!box || box.width === 0) return trim.from;
    return trim.low + clamp((event.clientX - box.left) / box.width, 0, 1) * (trim.high - trim.low);
  };
  const move = (which: "from" | "to", second: number) =>
    onChange(which === "from" ? moveFrom(trim, second) : moveTo(trim, second), which);
  return (
    <div className="flex flex-col gap-3">
      {/* Room for the handles, which stand out on both sides. */}
      <div className="px-4">
        <div
          ref={bar}
          className="relative h-14 touch-none rounded-md bg-sunken"
          data-testid="trim"
          data-from={trim.from}
          data-to={trim.to}
        >
          <div aria-hidden="true" className="absolute inset-0 flex overflow-hidden rounded-md">
            {tiles.length > 0 &&
              Array.from({ length: PICTURES }, (_, i) => (
                <Picture
                  key={i}
                  tile={tileAt(tiles, trim.low + ((i + 0.5) / PICTURES) * (trim.high - trim.low))}
                />
              ))}
          </div>
          <div
            aria-hidden="true"
            className="absolute inset-y-0 left-0 rounded-l-md bg-ground/75"
            style={{ width: share(trim.from) }}
          />
          <div
            aria-hidden="true"
            className="absolute inset-y-0 right-0 rounded-r-md bg-ground/75"
            style={{ left: share(trim.to) }}
          />
          <div
            aria-hidden="true"
            className="absolute inset-y-0 border-melt border-y-[3px]"
            style={{ left: share(trim.from), right: `calc(100% - ${share(trim.to)})` }}
          />
          {at !== null && at >= trim.from && at <= trim.to && (
            <div
              aria-hidden="true"
              className="absolute inset-y-[3px] w-0.5 -translate-x-1/2 bg-text shadow-[0_0_0_1px_rgb(0_0_0/0.5)]"
              style={{ left: share(at) }}
            />
          )}
          <Handle
            side="from"
            label={t("clips.start")}
            value={trim.from}
            trim={trim}
            left={share(trim.from)}
            secondAt={secondAt}
            onMove={(second) => move("from", second)}
          />
          <Handle
            side="to"
            label={t("clips.end")}
            value={trim.to}
            trim={trim}
            left={share(trim.to)}
            secondAt={secondAt}
            onMove={(second) => move("to", second)}
          />
        </div>
      </div>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <Stepper
          label={t("clips.start")}
          value={trim.from}
          onStep={(by) => move("from", trim.from + by)}
          testId="trim-from"
        />
        <p
          className="tabular font-semibold text-sm max-sm:order-last max-sm:w-full max-sm:text-center"
          data-testid="trim-length"
        >
          {t("clips.length", { seconds: (trim.to - trim.from).toFixed(1) })}
        </p>
        <Stepper
          label={t("clips.end")}
          value={trim.to}
          onStep={(by) => move("to", trim.to + by)}
          testId="trim-to"
        />
      </div>
    </div>
  );
}

function Handle({
  side,
  label,
  value,
  trim,
  left,
  secondAt,
  onMove,
}: {
  side: "from" | "to";
  label: string;
  value: number;
  trim: Trim;
  left: string;
  secondAt: (event: PointerEvent) => number;
  onMove: (second: number) => void;
}) {
  const isDragged = useRef(false);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const next = keyed({ key: event.key, isShifted: event.shiftKey }, value, trim);
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    onMove(next);
  };
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={trim.low}
      aria-valuemax={trim.high}
      aria-valuenow={value}
      aria-valuetext={fineClock(value)}
      data-testid={`handle-${side}`}
      className={cx(
        "absolute inset-y-0 z-[1] flex w-6 cursor-ew-resize touch-none",
        "rounded-md outline-offset-1 focus-visible:z-[2] focus-visible:outline-2 focus-visible:outline-[var(--focus)]",
        // Each lies outside of what it keeps, and its target reaches further out than it is drawn.
        side === "from" ? "-translate-x-full justify-end" : "justify-start",
      )}
      style={{ left }}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        isDragged.current = true;
      }}
      onPointerMove={(event) => isDragged.current && onMove(secondAt(event))}
      onPointerUp={() => {
        isDragged.current = false;
      }}
      onPointerCancel={() => {
        isDragged.current = false;
      }}
      onKeyDown={onKeyDown}
    >
      <span
        aria-hidden="true"
        className={cx(
          "grid h-full w-3.5 place-items-center bg-melt",
          side === "from" ? "rounded-l-md" : "rounded-r-md",
        )}
      >
        <span className="h-5 w-0.5 rounded-full bg-on-melt" />
      </span>
    </div>
  );
}

/** The same without dragging. */
function Stepper({
  label,
  value,
  onStep,
  testId,
}: {
  label: string;
  value: number;
  onStep: (by: number) => void;
  testId: string;
}) {
  const { t } = useTranslation();
  return (
    <div className="flex items-center gap-1.5">
      <Button
        size="icon-s"
        aria-label={t("clips.earlier", { what: label })}
        onClick={() => onStep(-STEPS.usual)}
      >
        <Minus />
      </Button>
      <span className="tabular min-w-16 text-center font-mono text-[13px] text-soft" data-testid={testId}>
        {fineClock(value)}
      </span>
      <Button
        size="icon-s"
        aria-label={t("clips.later", { what: label })}
        onClick={() => onStep(STEPS.usual)}
      >
        <Plus />
      </Button>
    </div>
  );
}

function Picture({ tile }: { tile: Tile | null }) {
  if (!tile) return <div className="flex-1" />;
  const scale = 56 / tile.h;
  return (
    <div className="relative min-w-0 flex-1 overflow-hidden">
      <div
        className="absolute top-0 left-1/2"
        style={{
          width: tile.w,
          height: tile.h,
          transform: `translateX(-50%) scale(${scale})`,
          transformOrigin: "50% 0",
          backgroundImage: `url("${tile.url}")`,
          backgroundPosition: `-${tile.x}px -${tile.y}px`,
        }}
      />
    </div>
  );
}
