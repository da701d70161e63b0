// One measure over time, drawn by uPlot on a canvas; the same as a table beside it for who cannot
// see it. Gos are marked. Where next: MetricsPane.tsx, series.ts.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Columns, MeasureWords } from "./series";

const HUES = [
  "--i-blue",
  "--i-orange",
  "--i-green",
  "--i-purple",
  "--i-red",
  "--i-teal",
  "--i-pink",
  "--i-olive",
];
/** Each line also has its own dash: never colour alone. */
export const DASHES: number[][] = [[], [6, 3], [2, 3], [10, 3, 2, 3], [12, 4], [4, 4], [1, 2], [8, 2]];

export function hueOf(index: number): string {
  return HUES[index % HUES.length] ?? "--text";
}

export interface ChartProps {
  words: MeasureWords;
  columns: Columns;
  /** Times of Gos in seconds since the epoch, and what they were. */
  marks: readonly { at: number; label: string }[];
  dark: boolean;
}

function timeOfDay(seconds: number): string {
  const time = new Date(seconds * 1000);
  return `${String(time.getHours()).padStart(2, "0")}:${String(time.getMinutes()).padStart(2, "0")}`;
}

function options(props: ChartProps, width: number, height: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const font = `11px ${token("--font") || "sans-serif"}`;
  const axis = {
    stroke: token("--muted"),
    font,
    grid: { stroke: token("--border"), width: 1 },
    ticks: { stroke: token("--border"), width: 1 },
  };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      // One point alone has no width, and would get a day: a minute on each side is enough.
      x: {
        time: true,
        range: (plot, first, last) => (plot.data[0].length === 1 ? [first - 60, first + 60] : [first, last]),
      },
      y: { range: (_plot, _least, most) => [0, Math.max(most * 1.1, 1)] },
    },
    axes: [
      { ...axis, values: (_plot, times) => times.map(timeOfDay) },
      {
        ...axis,
        size: 72,
        incrs: props.words.steps,
        values: (_plot, values) => values.map((value) => props.words.format(value)),
      },
    ],
    series: [
      {},
      ...props.columns.series.map((one, index) => ({
        label: one.block,
        stroke: token(hueOf(index)),
        width: 1.75,
        dash: DASHES[index % DASHES.length],
        points: { show: props.columns.times.length < 3 },
        spanGaps: false,
      })),
    ],
    hooks: {
      draw: [
        (plot) => {
          const { ctx, bbox } = plot;
          ctx.save();
          ctx.strokeStyle = token("--accent");
          ctx.fillStyle = token("--accent-text");
          ctx.font = `${11 * devicePixelRatio}px ${token("--font") || "sans-serif"}`;
          ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
          for (const mark of props.marks) {
            const x = plot.valToPos(mark.at, "x", true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
            ctx.fillText(mark.label, x + 4 * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
          }
          ctx.restore();
        },
      ],
    },
  };
}

export default function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const { words, columns, marks, dark } = props;
  const names = columns.series.map((one) => one.block).join(" ");
  const plot = useRef<uPlot>(null);
  const latest = useRef(props);
  latest.current = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme, measure or set of lines is another chart
  useEffect(() => {
    const box = host.current;
    if (box === null) return;
    const size = () => ({ width: Math.max(120, box.clientWidth), height: Math.max(90, box.clientHeight) });
    const { width, height } = size();
    const it = new uPlot(options(latest.current, width, height), data(latest.current.columns), box);
    plot.current = it;
    const watch = new ResizeObserver(() => it.setSize(size()));
    watch.observe(box);
    return () => {
      watch.disconnect();
      it.destroy();
      plot.current = null;
    };
  }, [words.measure, names, dark, marks.length]);

  useEffect(() => {
    plot.current?.setData(data(columns));
  }, [columns]);

  return <div className="chart-host" ref={host} aria-hidden="true" />;
}

function data(columns: Columns): uPlot.AlignedData {
  return [columns.times, ...columns.series.map((one) => one.values)] as uPlot.AlignedData;
}
