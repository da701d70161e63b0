// What the platform did and why: the Kubernetes Events of the app, newest first.
import { useQuery } from "@tanstack/react-query";
import { queries } from "../api/queries";
import { Problem } from "../parts/Empty";
import { useNow } from "../system/useNow";
import { ago, when } from "../system/words";
import { pieces } from "./logs/bytes";

/** Text of a program, with nothing in it that acts. */
export function Inert({ text }: { text: string }) {
  return (
    <bdi>
      {pieces(text).map((piece, index) =>
        piece.sign ? (
          <span key={index} className="log-sign">
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
}

export function EventsPane({ app, block }: { app: string; block: string | null }) {
  const { data, error, refetch } = useQuery(queries.events(app));
  const now = useNow(5000);
  if (error && !data)
    return <Problem error={error} what="The events could not be read" retry={() => void refetch()} />;
  if (data === undefined) return <p className="drawer-empty">Asking …</p>;
  const shown = data
    .filter((event) => block === null || event.block === block)
    .sort((a, b) => b.at.localeCompare(a.at));
  if (shown.length === 0) {
    return (
      <p className="drawer-empty">
        Nothing has happened to {block ?? app} lately. Starts, stops, probes and mounts appear here.
      </p>
    );
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keys
    <div className="events" tabIndex={0} role="region" aria-label="Events">
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Block</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((event, index) => (
            <tr key={index} className={event.type === "Warning" ? "warning" : ""}>
              <td>
                <time dateTime={event.at} title={when(event.at)}>
                  {ago(event.at, now)}
                </time>
              </td>
              <td>
                <span className="event-shape" aria-hidden="true">
                  {event.type === "Warning" ? "▲" : "●"}
                </span>
                {event.type === "Warning" && <span className="spoken">Warning: </span>}
                <Inert text={event.reason} />
                {event.count > 1 && <span className="event-count"> × {event.count}</span>}
              </td>
              <td>
                {event.block ?? ""}
                <span className="event-object">{event.object}</span>
              </td>
              <td>
                <Inert text={event.message} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
