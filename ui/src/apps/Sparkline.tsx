// The processor use of an app over the last hour, as a small line.
import { useQuery } from "@tanstack/react-query";
import { queries } from "../api/queries";
import { spark } from "../drawers/metrics/series";
import { cores } from "../system/words";

const WIDE = 96;
const HIGH = 24;

export function Sparkline({ app }: { app: string }) {
  const { data } = useQuery({ ...queries.metrics(app), refetchInterval: 30_000, retry: false });
  const line = spark(data?.points ?? [], "cpu_millis");
  if (line.length === 0) return <span className="spark muted">–</span>;
  const last = data?.points.at(-1);
  const now = Object.values(last?.blocks ?? {}).reduce((sum, one) => sum + (one.cpu_millis ?? 0), 0);
  const points = line.map(([x, y]) => `${(x * WIDE).toFixed(1)},${(HIGH - 2 - y * (HIGH - 4)).toFixed(1)}`);
  return (
    <span className="spark" title={`Processor, last hour; now ${cores(now)}`}>
      <svg
        viewBox={`0 0 ${WIDE} ${HIGH}`}
        width={WIDE}
        height={HIGH}
        role="img"
        aria-label={`Processor now ${cores(now)}`}
      >
        <polyline
          points={points.join(" ")}
          fill="none"
          stroke="var(--accent)"
          strokeWidth="1.5"
          strokeLinejoin="round"
        />
      </svg>
      <small className="muted">{cores(now)}</small>
    </span>
  );
}
