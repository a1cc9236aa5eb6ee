import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { IngestSample } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { columns, type GraphName, LINES } from "./series";

const HEIGHT = 132;
/** One cursor over all graphs. */
const CURSOR = "ingest-health";
/** Of the design's tokens: the first line, the second. */
const INKS = ["--melt", "--warn"] as const;
/** The second line is dashed as well: colour is not the only difference. */
const DASHES = [undefined, [5, 4]];
/** Axes that a calm line fills well: the scale is never narrower than this. */
const LEAST: Record<GraphName, readonly [number, number]> = {
  bitrate: [0, 500],
  fps: [0, 30],
  keyframe: [0, 5],
  drift: [-100, 100],
  delay: [0, 200],
};

function options(name: GraphName, width: number, lang: string): uPlot.Options {
  const css = getComputedStyle(document.documentElement);
  const ink = (token: string) => css.getPropertyValue(token).trim();
  const font = "11px 'JetBrains Mono Variable', ui-monospace, monospace";
  const axis = { stroke: ink("--text-faint"), font, ticks: { show: false } };
  const grid = { stroke: ink("--line"), width: 1 };
  const time = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" });
  const number = new Intl.NumberFormat(lang, { notation: "compact", maximumFractionDigits: 1 });
  const [least, most] = LEAST[name];
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: CURSOR }, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      y: { range: (_, min, max) => [Math.min(least, min ?? least), Math.max(most, (max ?? most) * 1.08)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        size: 24,
        values: (_, at) => at.map((s) => time.format(new Date(s * 1_000))),
      },
      { ...axis, grid, size: 46, space: 34, values: (_, at) => at.map((value) => number.format(value)) },
    ],
    series: [
      {},
      ...LINES[name].map((line, i) => ({
        label: line.key,
        stroke: ink(INKS[i] ?? "--text"),
        width: 1.75,
        dash: DASHES[i],
        points: { show: false },
      })),
    ],
  };
}

/** One graph. Says nothing to assistive technology: its caption and the table do. */
export default function Graph({
  name,
  samples,
  stepS,
}: {
  name: GraphName;
  samples: readonly IngestSample[];
  stepS: number;
}) {
  const lang = useLang();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = columns(samples, LINES[name], stepS) as uPlot.AlignedData;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        options(name, Math.max(120, element.clientWidth), lang),
        data.current,
        element,
      );
    };
    draw();
    const size = new ResizeObserver(() => {
      plot.current?.setSize({ width: Math.max(120, element.clientWidth), height: HEIGHT });
    });
    size.observe(element);
    // Ink is read from the theme's tokens when a graph is made.
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      size.disconnect();
      theme.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [name, lang]);

  useEffect(() => {
    plot.current?.setData(data.current);
  }, [samples, stepS]);

  return <div ref={box} aria-hidden="true" className="h-[132px] w-full overflow-hidden" />;
}
