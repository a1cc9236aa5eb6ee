// What the controls, the keyboard, the lock screen and gestures may ask of the player. Only the mediator answers.
import type { QualityChoice } from "./quality";

export type Request =
  | {
      do:
        | "play"
        | "pause"
        | "toggle"
        | "mute"
        | "live"
        | "retry"
        | "pip"
        | "fullscreen"
        | "captions"
        | "loop";
    }
  /** A second of the timeline. */
  | { do: "seek"; to: number }
  | { do: "seek-by"; by: number }
  /** A share of the timeline, 0 to 1. */
  | { do: "seek-share"; to: number }
  /** Frames, while paused. */
  | { do: "frame"; by: 1 | -1 }
  /** 0 to 1. */
  | { do: "volume"; to: number }
  | { do: "volume-by"; by: number }
  | { do: "speed"; to: number }
  | { do: "speed-step"; by: 1 | -1 }
  | { do: "quality"; to: QualityChoice }
  /** A text track's place in the list, or -1. */
  | { do: "track"; to: number };

/** What the page around the player does. */
export type PageCommand = { do: "theatre" | "help" | "clip" };

export type Command = Request | PageCommand;

export const isForPage = (command: Command): command is PageCommand =>
  command.do === "theatre" || command.do === "help" || command.do === "clip";

export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** The next speed in a direction, or the same at the end. */
export function stepSpeed(now: number, by: 1 | -1): number {
  const next = by > 0 ? SPEEDS.find((speed) => speed > now) : SPEEDS.findLast((speed) => speed < now);
  return next ?? now;
}
