// What each block used in the last hour, as lines and as words. Where next: Chart.tsx, series.ts.
import { useQuery } from "@tanstack/react-query";
import { Suspense, useMemo, useState } from "react";
import { queries } from "../../api/queries";
import { target } from "../../api/target";
import { Problem } from "../../parts/Empty";
import { lazily } from "../../parts/lazily";
import { useTheme } from "../../state/theme";
import { columns, MEASURES, type Measure, summaries } from "./series";

const Chart = lazily(() => import("./Chart"));

// Another cluster tells what its pods use, and nothing of its disks or its front door.
const measures = MEASURES.filter(
  ({ measure }) => target === null || measure === "cpu_millis" || measure === "memory_bytes",
);

export function MetricsPane({ app, block }: { app: string; block: string | null }) {
  const { data, error, refetch } = useQuery(queries.metrics(app));
  const releases = useQuery(queries.releases(app));
  const [measure, setMeasure] = useState<Measure>("cpu_millis");
  const { dark } = useTheme();
  const words = MEASURES.find((one) => one.measure === measure) ?? MEASURES[0];
  const drawn = useMemo(() => columns(data?.points ?? [], measure, block), [data, measure, block]);
  const marks = useMemo(
    () => (releases.data ?? []).map((one) => ({ at: Date.parse(one.at) / 1000, label: "Go" })),
    [releases.data],
  );
  if (error && !data)
    return <Problem error={error} what="The metrics could not be read" retry={() => void refetch()} />;
  if (!words) return null;
  const found = summaries(drawn);
  return (
    <div className="metrics">
      <div className="metrics-bar" role="radiogroup" aria-label="Measure">
        {measures.map((one) => (
          <label key={one.measure} className="metrics-choice">
            <input
              type="radio"
              name="measure"
              checked={one.measure === measure}
              onChange={() => setMeasure(one.measure)}
            />
            {one.title}
          </label>
        ))}
      </div>
      {found.length === 0 ? (
        <p className="drawer-empty">
          {data === undefined
            ? "Asking …"
            : data.points.length === 0
              ? `No metrics yet: the first point comes within ${data.every_seconds} s.`
              : `Nobody has told any ${words.title.toLowerCase()} of ${block ?? app} in the last hour.`}
        </p>
      ) : (
        <div className="metrics-body">
          <Suspense fallback={<p className="drawer-empty">Drawing …</p>}>
            <Chart words={words} columns={drawn} marks={marks} dark={dark} />
          </Suspense>
          <table className="metrics-table">
            <caption className="spoken">{words.title} in the last hour</caption>
            <thead>
              <tr>
                <th scope="col">Block</th>
                <th scope="col">now</th>
                <th scope="col">least</th>
                <th scope="col">most</th>
              </tr>
            </thead>
            <tbody>
              {found.map((one, index) => (
                <tr key={one.block}>
                  <th scope="row">
                    <svg className={`key key-${index % 8}`} viewBox="0 0 22 4" aria-hidden="true">
                      <line x1="0" y1="2" x2="22" y2="2" />
                    </svg>
                    {one.block}
                  </th>
                  <td>{one.now === null ? "–" : words.format(one.now)}</td>
                  <td>{words.format(one.least)}</td>
                  <td>{words.format(one.most)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
