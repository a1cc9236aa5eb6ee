import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useLang } from "@/i18n/useLang";
import { type Line, labelEvery } from "./numbers";

const HEIGHT = 176;
const INKS: Record<string, string> = { now: "--melt", before: "--text-faint", second: "--warn" };
/** Colour is never the only difference. */
const DASHES: Record<string, number[] | undefined> = { second: [6, 3] };
/** What was before stands behind what is now: wider, and hollow. More of them than this have no room for an outline. */
const OUTLINED_MAX = 100;
const BEFORE_WIDE: uPlot.Series.BarsPathBuilderOpts = { size: [0.92, 64] };
const NOW_WIDE: uPlot.Series.BarsPathBuilderOpts = { size: [0.56, 44] };

export type PlotProps = {
  /** Seconds since 1970. */
  times: readonly number[];
  lines: readonly Line[];
  /** Bars for what is added up, lines for what is measured. Days are those of UTC. */
  look: "bars" | "line";
  scale: "days" | "minutes";
  show: (value: number) => string;
};

function options({ times, lines, look, scale, show }: PlotProps, width: number, lang: string): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const ink = (token: string) => css.getPropertyValue(token).trim();
  const font = "11px 'JetBrains Mono Variable', ui-monospace, monospace";
  const axis = { stroke: ink("--text-faint"), font, ticks: { show: false } };
  const isDays = scale === "days";
  const format = new Intl.DateTimeFormat(
    lang,
    isDays ? { timeZone: "UTC", day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" },
  );
  const step = (times[1] ?? 0) - (times[0] ?? 0) || 60;
  const every = labelEvery(times.length, Math.floor(width / 84));
  return {
    width,
    height: HEIGHT,
    // Labels stand under the middle of what they name: the last one needs room.
    padding: [8, isDays ? 20 : 28, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      // Bars need half a step on both sides.
      x: isDays ? { range: (_, min, max) => [min - step / 2, max + step / 2] } : {},
      y: { range: (_, _min, max) => [0, Math.max(1, (max ?? 1) * 1.1)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        size: 24,
        ...(isDays && { splits: () => times.filter((_, i) => i % every === 0) }),
        values: (_, at) => at.map((s) => format.format(new Date(s * 1_000))),
      },
      {
        ...axis,
        grid: { stroke: ink("--line"), width: 1 },
        size: 54,
        space: 34,
        values: (_, at) => at.map((value) => (Number.isInteger(value) || value >= 10 ? show(value) : "")),
      },
    ],
    series: [
      {},
      ...lines.map((line): uPlot.Series => {
        const stroke = ink(INKS[line.key] ?? "--text");
        const drawn = { label: line.key, stroke, points: { show: false } };
        if (look === "line") return { ...drawn, width: 1.75, dash: DASHES[line.key] };
        const isBefore = line.key === "before";
        return {
          ...drawn,
          width: isBefore && times.length <= OUTLINED_MAX ? 1 : 0,
          fill: isBefore ? ink("--line") : stroke,
          paths: uPlot.paths.bars?.(isBefore ? BEFORE_WIDE : NOW_WIDE),
        };
      }),
    ],
  };
}

/** One graph. Says nothing to assistive technology: its caption and the table do. */
export default function Plot(props: PlotProps) {
  const lang = useLang();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    // What is drawn last is on top.
    const lines = [...props.lines].reverse();
    const data = [props.times, ...lines.map((line) => line.values)] as uPlot.AlignedData;
    let plot: uPlot | null = null;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot(options({ ...props, lines }, Math.max(120, element.clientWidth), lang), data, element);
    };
    draw();
    let width = element.clientWidth;
    const size = new ResizeObserver(() => {
      // Labels are chosen by width: a new one draws anew.
      if (element.clientWidth === width) return;
      width = element.clientWidth;
      draw();
    });
    size.observe(element);
    // Ink is read from the theme's tokens when a graph is made.
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      size.disconnect();
      theme.disconnect();
      plot?.destroy();
    };
  }, [props, lang]);
  return <div ref={box} aria-hidden="true" className="h-44 w-full overflow-hidden" />;
}
