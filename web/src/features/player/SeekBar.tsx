import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { clock } from "@/lib/time";
import { STEP_S } from "./keys";
import type { Mediator } from "./mediator";
import { type Tile, tileAt } from "./storyboard";
import { clamp, type Timeline } from "./timeline";
import { useView } from "./useMediator";
import { useStoryboard } from "./useStoryboard";

/** Width of a preview picture on the screen. */
const TILE_W = 168;
/** A viewer this near the end of a broadcast is said to be live. */
const LIVE_S = 3;

type Props = {
  mediator: Mediator | null;
  isLive: boolean;
  storyboardUrl: string | null;
  /** Where the timeline begins in what the storyboard is of. */
  storyboardFrom: number;
};

/** The one bar for recordings and broadcasts: where one is, what is loaded, what is there. */
export function SeekBar({ mediator, isLive, storyboardUrl, storyboardFrom }: Props) {
  const { t } = useTranslation();
  const known = useView(mediator, (view) => view.timeline);
  // While a source is exchanged the bar stays as it was, with the focus that may be on it.
  const last = useRef(known);
  if (known) last.current = known;
  const line = known ?? last.current;
  const bar = useRef<HTMLDivElement>(null);
  /** The second under the pointer, and whether it is being dragged there. */
  const [hover, setHover] = useState<{ at: number; isDragged: boolean } | null>(null);
  const [wasHovered, setWasHovered] = useState(false);
  const tiles = useStoryboard(storyboardUrl, wasHovered);
  if (!line || line.end <= line.start) return <div className="player-seek" />;

  const secondAt = (event: PointerEvent): number => {
    const box = bar.current?.getBoundingClientRect();
    if (!box || box.width === 0) return line.at;
    return line.start + clamp((event.clientX - box.left) / box.width, 0, 1) * (line.end - line.start);
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setWasHovered(true);
    setHover({ at: secondAt(event), isDragged: true });
  };
  const onPointerMove = (event: PointerEvent) => {
    setWasHovered(true);
    setHover((before) => ({ at: secondAt(event), isDragged: before?.isDragged ?? false }));
  };
  const onPointerUp = (event: PointerEvent) => {
    if (!hover?.isDragged) return;
    mediator?.request({ do: "seek", to: secondAt(event) });
    setHover(event.pointerType === "mouse" ? { at: secondAt(event), isDragged: false } : null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const by = stepOf(event.key);
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (by !== null) mediator?.request({ do: "seek-by", by });
    else if (event.key === "Home") mediator?.request({ do: "seek-share", to: 0 });
    else if (event.key === "End") mediator?.request(isLive ? { do: "live" } : { do: "seek-share", to: 1 });
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const shown = hover?.isDragged ? hover.at : line.at;
  const share = (second: number) => `${clamp((second - line.start) / (line.end - line.start), 0, 1) * 100}%`;
  const behind = line.end - shown;
  const text = !isLive
    ? t("player.seek_at", { at: clock(shown), end: clock(line.end) })
    : behind < LIVE_S
      ? t("player.at_live")
      : t("player.seek_behind", { behind: clock(behind) });
  return (
    <div
      ref={bar}
      className="player-seek group/seek"
      role="slider"
      tabIndex={0}
      aria-label={t("player.seek")}
      aria-valuemin={Math.floor(line.start)}
      aria-valuemax={Math.floor(line.end)}
      aria-valuenow={Math.floor(clamp(shown, line.start, line.end))}
      aria-valuetext={text}
      data-testid="seek"
      data-start={line.start.toFixed(1)}
      data-end={line.end.toFixed(1)}
      data-at={line.at.toFixed(1)}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onPointerUp={onPointerUp}
      onPointerCancel={() => setHover(null)}
      onPointerLeave={() => setHover((before) => (before?.isDragged ? before : null))}
      onKeyDown={onKeyDown}
    >
      <div className="player-track">
        <div className="player-buffered" style={{ width: share(line.bufferedTo) }} />
        {hover && !hover.isDragged && <div className="player-hovered" style={{ width: share(hover.at) }} />}
        <div className="player-played" style={{ width: share(shown) }} />
      </div>
      <div className={cx("player-thumb", hover?.isDragged && "is-dragged")} style={{ left: share(shown) }} />
      {hover && (
        <Preview
          tile={tileAt(tiles, storyboardFrom + hover.at)}
          text={isLive ? behindText(line, hover.at, t("live.badge")) : clock(hover.at)}
          left={share(hover.at)}
        />
      )}
    </div>
  );
}

function stepOf(key: string): number | null {
  if (key === "ArrowRight" || key === "ArrowUp") return STEP_S;
  if (key === "ArrowLeft" || key === "ArrowDown") return -STEP_S;
  if (key === "PageUp") return 60;
  return key === "PageDown" ? -60 : null;
}

function behindText(line: Timeline, at: number, live: string): string {
  const behind = line.end - at;
  return behind < LIVE_S ? live : `−${clock(behind)}`;
}

/** What is there: its picture, where there is one, and always its time. */
function Preview({ tile, text, left }: { tile: Tile | null; text: string; left: string }) {
  const scale = tile ? TILE_W / tile.w : 1;
  const half = tile ? TILE_W / 2 + 4 : 32;
  return (
    <div
      className="player-preview"
      aria-hidden="true"
      data-testid="seek-preview"
      style={{ left: `clamp(${half}px, ${left}, calc(100% - ${half}px))` }}
    >
      {tile && (
        <div
          className="player-tile"
          data-testid="seek-tile"
          style={{ width: TILE_W, height: Math.round(tile.h * scale) }}
        >
          <div
            style={{
              width: tile.w,
              height: tile.h,
              transform: `scale(${scale})`,
              transformOrigin: "0 0",
              backgroundImage: `url("${tile.url}")`,
              backgroundPosition: `-${tile.x}px -${tile.y}px`,
            }}
          />
        </div>
      )}
      <span>{text}</span>
    </div>
  );
}
